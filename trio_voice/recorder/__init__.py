"""Recording on this machine: a stereo WAV a call, the caller left, what they heard right, on Twilio's clock.

``clock.py``, ``heard.py``, ``tracks.py`` and ``wav.py`` decide what stands where, without I/O; ``call_recorder.py`` is
told by a call's leg what passes through it; ``disk.py`` is the thread that writes; ``recordings.py`` keeps the folder.
"""
