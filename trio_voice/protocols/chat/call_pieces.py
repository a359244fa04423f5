"""Tool calls of a streamed answer, put together of the pieces in which they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.events import stage as s
from trio_voice.protocols.chat.written_calls import known_name, objects_in
from trio_voice.protocols.json_messages import MAX_ID, arguments_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_CALLS: Final = 16
"""Tools asked for in one answer; further ones are not heard."""
MAX_ARGUMENTS: Final = 32_768
"""Letters of one call's arguments."""
MAX_NAMES: Final = 64
"""Pieces of one tool's name."""


@attrs.define
class CallPieces:
    """A tool call that is being put together."""

    call_id: str = ""
    extra: Mapping[str, Any] | None = None
    _names: list[str] = attrs.field(factory=list)
    """The pieces of the name, which most servers tell at once and some again and again."""
    _pieces: list[str] = attrs.field(factory=list)
    _letters: int = 0

    def take(self, arguments: object) -> None:
        """A further piece of the arguments' JSON. What is no text is not one."""
        if isinstance(arguments, str) and self._letters <= MAX_ARGUMENTS:
            self._pieces.append(arguments)
            self._letters += len(arguments)

    @property
    def is_whole(self) -> bool:
        """True if arguments have come that are a whole JSON object."""
        return self._letters > 0 and isinstance(self._read(), dict)

    def _read(self) -> Any:
        """The arguments, as far as they can be read."""
        return None if self._letters > MAX_ARGUMENTS else arguments_in("".join(self._pieces))

    def name_again(self, name: str) -> None:
        """A further piece of the name, or the whole of it once more."""
        if name and len(self._names) < MAX_NAMES:
            self._names.append(name)

    def named(self, known: Collection[str]) -> str:
        """The name: of the tools that are known, if it can be made out to be one of these."""
        joined = "".join(self._names)
        found = (known_name(name, known) for name in (joined, self._names[-1] if self._names else ""))
        return next(filter(None, found), self._names[0] if self._names else "")

    def finish(self, otherwise: str, taken: set[str], known: Collection[str], *, is_sure: bool) -> list[s.ToolCall]:
        """The whole call, under an id that no other has; unless it ``is_sure`` that all of it came, a broken one.

        Some servers put several calls of one tool into one: objects of arguments, one behind the other.
        """
        name = self.named(known)
        if not name:
            return []
        arguments = self._read()
        found = [arguments] if isinstance(arguments, dict) else self._objects()
        call_id = self.call_id if self.call_id and self.call_id not in taken else otherwise
        taken.add(call_id)
        if not (found and is_sure):
            broken = "".join(self._pieces)[:100] or "nothing"
            return [s.ToolCall(call_id, name, {}, broken=broken, extra=self.extra)]
        ids = [call_id, *(f"{call_id[: MAX_ID - 3]}{at:02}" for at in range(1, len(found)))]
        taken.update(ids)
        return [s.ToolCall(each, name, given, extra=self.extra) for each, given in zip(ids, found, strict=True)]

    def _objects(self) -> list[dict[str, Any]]:
        """The arguments, if they were told more than once: as a whole again, or as those of several calls."""
        if self._letters > MAX_ARGUMENTS:
            return []
        last = arguments_in(self._pieces[-1]) if len(self._pieces) > 1 else None
        several = objects_in("".join(self._pieces))
        if not several and isinstance(last, dict):
            return [last]  # each piece was all so far
        filled = [each for at, each in enumerate(several) if each and each not in several[:at]]
        return (filled or several[:1])[:MAX_CALLS]
