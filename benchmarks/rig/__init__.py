"""The parts of ``faults.py``: a Twilio and models that break calls. Nothing here imports the daemon that is tested."""
