"""Strangers at the port and signals from outside, one at a time at random moments: what ``chaos.py`` puts beside calls.

A process of its own: ``strangers.py HOST:PORT PID SEED``. It goes on until its standard input ends, and then prints how
often it has done each.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BROKEN: Final = "[[personas]]\n[server]\nbind = 1\n", "x = [" * 3_000, "[models.m]\nkind = 'nothing'\n", "\0", "a = nan"


class Strangers:
    """Their deed."""

    def __init__(self, netloc: str, pid: int, seed: str) -> None:
        host, _, port = netloc.rpartition(":")
        self._address = (host, int(port))
        self._pid = pid
        self._chance = random.Random(f"strangers {seed}")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        self._config = Path(command[command.index(b"--config") + 1].decode())
        self._whole = self._config.read_text(encoding="utf-8")

    def _send(self, data: bytes, *, stay: float = 0.0) -> None:
        with socket.create_connection(self._address, timeout=1) as connection:
            connection.sendall(data)
            if stay:
                select.select([connection], [], [], stay)

    def _post(self, path: str, body: bytes, *headers: str) -> None:
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
        self._send("\r\n".join(lines).encode() + body, stay=0.2)

    def http_2(self) -> None:
        self._send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), stay=0.2)

    def upgrade_to_http_2(self) -> None:
        self._send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n", stay=0.2)

    def half_a_request(self) -> None:
        self._send(b"POST /twiml HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", stay=0.3)

    def garbage(self) -> None:
        self._send(self._chance.randbytes(4_000), stay=0.1)

    def unsigned_status(self) -> None:
        self._post("/call-status/" + "%1b" * 4_000, b"CallStatus=completed")

    def nested_json(self) -> None:
        self._post("/call", b"[" * 20_000, "Content-Type: application/json", "Authorization: Bearer wrong")

    def two_lengths(self) -> None:
        self._post("/twiml", b"0\r\n\r\n", "Transfer-Encoding: chunked")

    def stray_byte_behind_an_upgrade(self) -> None:
        head = b"GET /media-stream/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._send(
            head + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\xff", stay=0.1
        )

    def reload(self) -> None:
        os.kill(self._pid, signal.SIGHUP)

    def reload_what_is_broken(self) -> None:
        self._config.write_text(self._chance.choice(BROKEN), encoding="utf-8")
        os.kill(self._pid, signal.SIGHUP)
        select.select([], [], [], 4.0)  # it is read in a process that has to begin first
        self._config.write_text(self._whole, encoding="utf-8")

    def go_on(self) -> Counter[str]:
        """One after the other, at random, until standard input ends."""
        done: Counter[str] = Counter()
        deeds: list[Callable[[], None]] = [
            *(self.http_2, self.upgrade_to_http_2, self.half_a_request, self.garbage, self.unsigned_status),
            *(self.nested_json, self.two_lengths, self.stray_byte_behind_an_upgrade, self.reload),
            self.reload_what_is_broken,
        ]
        while not select.select([sys.stdin], [], [], self._chance.expovariate(4))[0]:
            deed = self._chance.choice(deeds)
            try:
                deed()
            except OSError:
                done["refused"] += 1
            done[deed.__name__] += 1
        return done


if __name__ == "__main__":
    print(json.dumps(Strangers(sys.argv[1], int(sys.argv[2]), sys.argv[3]).go_on()), flush=True)
