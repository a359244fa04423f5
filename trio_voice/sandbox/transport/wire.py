"""One socket of a peer's, served: reading, sending in order, and what strikes it. No protocol."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs
import trio

from trio_voice.net.channel import Channel
from trio_voice.sandbox.transport.faults import (
    Act,
    Close,
    Cut,
    Fail,
    GoSilent,
    Say,
    StopReading,
    Tally,
    cut,
    refuse_to_close,
    refuse_to_read,
)
from trio_voice.sandbox.transport.record import SocketRecord

CLOSE_SECONDS: Final = 2.0
"""For the client to answer our close."""
STUBBORN_SECONDS: Final = 40.0
"""Time for which a fault that ignores the client goes on; about when a server's own keep-alive gives up."""


@attrs.frozen(eq=False)
class Message:
    """A message to be sent, as JSON; an empty one is not, but strikes all the same."""

    body: dict[str, Any]
    kinds: Iterable[str]
    """Names by which a strike may call it."""
    is_sound: bool = False


class Wire:
    """Serves one channel for a protocol, which is told each message and says what to send.

    The tasks are the reader, which has the protocol hear the client and never waits for anything else, and the writer,
    which alone sends, and carries out what faults do. Neither outlives ``run``.

    Args:
        channel: closed when ``run`` returns or raises.
        record: what is known of the socket, kept up to date.
        hear: told each message; says by ``note`` what it was, and never waits.
        outbox_messages: how much may wait to be sent. A client that lets more pile up is not reading: it is given up.
        fail: says an error to the client, where the protocol has any.
        reply_begins: what begins each reply, by which strikes count them.
        in_binary: messages go as binary frames.
    """

    def __init__(
        self,
        channel: Channel,
        record: SocketRecord,
        hear: Callable[[str | bytes], None],
        *,
        outbox_messages: int,
        fail: Callable[[Fail], None] | None = None,
        reply_begins: str = "reply.started",
        in_binary: bool = False,
    ) -> None:
        self.nursery: trio.Nursery
        """Of whatever serves the socket; cancelled with it."""
        self._channel = channel
        self._record = record
        self._hear = hear
        self._fail = fail
        self._in_binary = in_binary
        self._outbox_in, self._outbox = trio.open_memory_channel[Message | Act](outbox_messages)
        self._tally = Tally(reply_begins)
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._silent = False
        self._refuses_to_close = False
        self._close = Close(1001, "the sandbox is going away")

    async def run(self, begin: Callable[[], None]) -> None:
        """Serve until either side ends it; ``begin`` is called first, and may start tasks in ``nursery``.

        Cancelling is safe: the client is told, for at most ``CLOSE_SECONDS``.
        """
        self._refuse_to_close_if_faulty()
        try:
            async with trio.open_nursery() as self.nursery:
                self.nursery.start_soon(self._read)
                self.nursery.start_soon(self._write)
                begin()
            if self._refuses_to_close and self._channel.close_code is not None:
                await trio.sleep(STUBBORN_SECONDS)
        finally:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._channel.aclose(self._close.code, self._close.reason)
            self._record.close(trio.current_time())

    def put(self, posting: Message | Act) -> None:
        """Have a message sent, or something done to the socket, in order. Never waits."""
        try:
            self._outbox_in.send_nowait(posting)
        except trio.WouldBlock:
            self._record.complain("", "does not read what is sent to it")
            self.nursery.cancel_scope.cancel()

    def note(self, message: str | bytes, kind: str, *, is_sound: bool) -> None:
        """Write down what was heard, before it is obeyed, and have done what strikes at it."""
        if self._record.keeps_audio or not is_sound:
            self._record.messages.append(message)
        for act in self._tally.count(kind, self._record.faults.strikes, heard=True):
            self.put(act)

    async def _read(self) -> None:
        try:
            with self._reading:
                while True:
                    message = await self._channel.receive()
                    self._refuse_to_close_if_faulty()
                    self._hear(message)
            await trio.sleep(STUBBORN_SECONDS)  # a fault made us stop
        except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
            self._record.client_close_code = self._channel.close_code
        self._record.close(trio.current_time())
        with trio.move_on_after(CLOSE_SECONDS):  # after half a frame no close could be answered
            await self._sending.acquire()
        self.nursery.cancel_scope.cancel()

    def _refuse_to_close_if_faulty(self) -> None:
        # Asked again and again, since faults may be exchanged: a client says something before it closes.
        if self._record.faults.ignores_close and not self._refuses_to_close:
            self._refuses_to_close = True
            refuse_to_close(self._channel)

    async def _write(self) -> None:
        try:
            async for posting in self._outbox:
                over = await (self._send(posting) if isinstance(posting, Message) else self._carry_out(posting))
                if over:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            if not self._reading.cancel_called:
                return  # the reader will learn how the client went
        self.nursery.cancel_scope.cancel()

    async def _send(self, message: Message) -> bool:
        """Send a message, and do what strikes after it; whether that was the end of the socket."""
        if self._silent:
            return False
        if message.body:
            text = json.dumps(message.body, separators=(",", ":"))
            await self._send_raw(text.encode() if self._in_binary else text)
            if self._record.keeps_audio or not message.is_sound:
                self._record.sent.append((trio.current_time(), message.body))
        for kind in message.kinds:
            for act in self._tally.count(kind, self._record.faults.strikes):
                if await self._carry_out(act):
                    return True
        return False

    async def _send_raw(self, message: str | bytes) -> None:
        async with self._sending:
            await self._channel.send(message)

    async def _carry_out(self, act: Act) -> bool:
        """Do what a fault does; whether that was the end of the socket."""
        match act:
            case Cut():
                await cut(self._channel, reset=act.reset)
                return True
            case Close() if not self._silent:
                self._close = act
                return True
            case GoSilent():
                self._silent = True
            case StopReading():
                refuse_to_read(self._channel)
                self._reading.cancel()
            case Fail():
                if self._fail is None:
                    raise NotImplementedError("this protocol has no errors in words: have it Close")
                self._fail(act)
            case Say():
                for message in act.messages * act.times:
                    await self._send_raw(message)
        return False


def parse(message: str | bytes) -> dict[str, Any] | None:
    """A JSON object, as text; ``None`` for anything else."""
    if isinstance(message, bytes):
        return None
    try:
        parsed = json.loads(message)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def parse_event(message: str | bytes) -> dict[str, Any] | None:
    """A JSON object with a ``type``, as text; ``None`` for anything else."""
    event = parse(message)
    return event if event is not None and isinstance(event.get("type"), str) else None
