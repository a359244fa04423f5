"""Answers and places phone calls through Twilio and joins each to a speech model, one trio nursery a call.

When a call ends, for whatever reason, both sockets are closed and both meters stop, in bounded time.

Start reading at ``call/call.py``, which is the story of one call, and ``bridge/bridge.py``, which makes its decisions.
Imports point inwards only (``tests/test_layering.py`` has the table, a row a folder): pure decisions and protocols in
the middle, trio around them, the web and Twilio's API around that, the process outermost. ``sandbox/`` stands beside: a
Twilio and a voice agent that live on this machine.
"""
