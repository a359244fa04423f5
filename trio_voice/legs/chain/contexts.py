"""Texts for a voice, context by context, where each is asked for by itself.

The texts of a context are spoken one after the other, contexts side by side; who is interrupted ends a context's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import trio

from trio_voice.events.model import ModelFault, Usage
from trio_voice.events.stage import BeSilent, Speak, SpeechFailed, SpeechOver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio_voice.legs.chain.http_stage import RequestsRecord

    Say = Callable[["Context", str], Awaitable[ModelFault | None]]

MAX_TEXTS: Final = 1_000
"""That wait in one context; a reply that has more ends the session."""


@attrs.define(eq=False)
class Context:
    """One context, while it is spoken in."""

    name: str
    texts_in: trio.MemorySendChannel[str]
    texts: trio.MemoryReceiveChannel[str]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    said: str = ""
    """The texts that have been spoken."""
    ms: float = 0.0
    """Length of their sound, as far as whoever makes it counts that."""


class SpeechContexts:
    """The contexts of one session of a voice that is billed by letters.

    Args:
        nursery: in which each context is served.
        tell: told what comes of it.
        record: of the session.
        say: has one text spoken in a context, and returns why it was not.
    """

    def __init__(self, nursery: trio.Nursery, tell: Callable[[Any], None], record: RequestsRecord, say: Say) -> None:
        self._nursery = nursery
        self._tell = tell
        self._record = record
        self._say = say
        self._contexts: dict[str, Context] = {}

    def execute(self, command: Any) -> None:
        """Put a command on its way. Never waits."""
        match command:
            case Speak(context_id=name, text=text, last=last):
                self._speak(name, text, last=last)
            case BeSilent(context_id=name) if name in self._contexts:
                self._contexts.pop(name).scope.cancel(reason="the caller has interrupted it")
            case _:
                pass

    def _speak(self, name: str, text: str, *, last: bool) -> None:
        context = self._contexts.get(name)
        if context is None:
            context = self._contexts[name] = Context(name, *trio.open_memory_channel[str](MAX_TEXTS))
            self._nursery.start_soon(self._serve, context)
        try:
            if text.strip():
                context.texts_in.send_nowait(text)
        except trio.WouldBlock:
            self._tell(ModelFault("speech_flood", f"more than {MAX_TEXTS} texts wait to be spoken", fatal=True))
        except trio.ClosedResourceError:
            pass  # after its last
        if last:
            context.texts_in.close()

    async def _serve(self, context: Context) -> None:
        with context.scope:
            async for text in context.texts:
                self._count(text)
                refusal = await self._say(context, text)
                if refusal is not None:
                    self._refused(context, refusal)
                    return
                context.said += text
            del self._contexts[context.name]
            self._tell(SpeechOver(context.name))

    def _count(self, text: str) -> None:
        usage = Usage({"characters": len(text)})
        self._record.add(usage)
        self._tell(usage)

    def _refused(self, context: Context, refusal: ModelFault) -> None:
        """A text was not spoken: the loss of its context, or of the session."""
        self._contexts.pop(context.name, None)
        if refusal.fatal:
            self._tell(refusal)
        else:
            self._tell(SpeechFailed(context.name, refusal.code, refusal.message))
