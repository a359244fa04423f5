"""A Twilio and a voice agent that live on this machine: for the demo, the tests and the benchmark.

They speak their protocols faithfully, each in its order, at its pace and with its ways to fail, and share no wire code
with the daemon: their WebSocket is trio-websocket's, ours is ``websockets``', so that each checks the other.
"""
