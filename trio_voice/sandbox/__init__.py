"""A Twilio and a voice agent that live on this machine: for the demo, the tests and the benchmark.

They speak their protocols faithfully, each in its order, at its pace and with its ways to fail, and share no wire code
with the daemon: their WebSocket is trio-websocket's, ours is ``websockets``', so that each checks the other.

Each family of models has its rooms in a package of its own, and shares with the others:

    serving     a server that keeps its sessions, and listens on loopback
    wire        one socket: reading, sending in order, carrying out what strikes it, closing
    record      what is known of one socket
    strikes     what may strike it, and when
"""
