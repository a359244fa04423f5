"""A Twilio and a voice agent that live on this machine: for the demo, the tests and the benchmark.

They speak their protocols faithfully, each in its order, at its pace and with its ways to fail, and share no wire code
with the daemon: their WebSocket is trio-websocket's, ours is ``websockets``', so that each checks the other.

    twilio/     Twilio: webhooks, REST API, media streams, callers
    providers/  the models' servers, a package a family
    agent/      who hears, speaks and thinks for them
    transport/  what they share: sockets, a server's sessions, records, faults
    demo/       a call to be heard and seen
    peers       which server plays which kind of model
"""
