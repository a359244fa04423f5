"""A proxy resets what it needs no more, as HAProxy does with an answer, and a look at the port does: all is well."""

import attrs
import pytest
import structlog
import trio

from tests.edges.web.exchanges import PLAIN, Ends, World
from trio_voice.edges.web.entrypoints import Entrypoint

HEAD_ALONE = PLAIN["no signature"].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
RESET = trio.BrokenResourceError("socket connection broken")
REQUESTS = {
    "a call": (PLAIN["a call"], b"200"),
    "refused by its head": (HEAD_ALONE, b"403"),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
    "not a word": (b"", None),
    "half a head": (HEAD_ALONE[:-9], None),
    "half a body": (PLAIN["a call"][:-9], None),
}


@attrs.define(eq=False)
class ResetConnection:
    """The server's end of a connection whose client resets it with an answer in hand, or when it has said all."""

    request: bytes
    answers: bool
    answer: bytes = b""
    socket: Ends = attrs.Factory(Ends)

    async def receive_some(self, _max_bytes=None):
        self._look()
        request, self.request = self.request, b""
        if request:
            return request
        if self.answers:
            return await trio.sleep_forever()
        raise RESET

    async def send_all(self, data):
        await trio.lowlevel.checkpoint()
        self.answer += data

    async def send_eof(self):
        await trio.lowlevel.checkpoint()
        self._look()

    async def wait_send_all_might_not_block(self):
        await trio.lowlevel.checkpoint()

    async def aclose(self):
        await trio.lowlevel.checkpoint()

    def _look(self):
        if self.answer:
            raise RESET


@pytest.mark.parametrize(("asked", "status"), REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("is_short", [False, True], ids=["by the app", "by us"])
async def test_who_resets_is_no_trouble(asked, status, is_short, monkeypatch, autojump_clock):
    world, connection = World(monkeypatch, is_short=is_short), ResetConnection(asked, answers=status is not None)
    with structlog.testing.capture_logs() as lines, trio.fail_after(60):
        await world._server.serve_connection(Entrypoint.SHARED, connection, b"")
    assert connection.answer.split()[1:2] == [status] * (status is not None)
    assert "connection_aborted" not in [line["event"] for line in lines]
