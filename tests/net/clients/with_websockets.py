"""The client of ``websockets``: says everything, the last in fragments."""

import json
import sys

from websockets.sync.client import connect

with connect(sys.argv[1], max_size=None) as socket:
    heard = []
    for text in json.load(sys.stdin):
        socket.send(text)
        heard.append(socket.recv())
    socket.send(b"\x00\xff")
    heard.append(socket.recv())

    assert socket.ping("?").wait(5)
    socket.send(iter(["one ", "two ", "three"]))
    heard.append(socket.recv())
    socket.close(1000, "done")
print(json.dumps({"heard": heard, "code": socket.close_code}))
