"""Tool calls of a streamed answer, put together of the pieces in which they come."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.events import stage as s
from trio_voice.protocols.chat.written_calls import arguments_written, calls_in, known_name, objects_in
from trio_voice.protocols.json_messages import MAX_ID, arguments_in, as_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from trio_voice.protocols.chat.written_calls import Call

MAX_CALLS: Final = 16
"""Tools asked for in one answer; further ones are not heard."""
MAX_ARGUMENTS: Final = 32_768
"""Letters of one call's arguments."""
_NAMESPACE: Final = re.compile(r"\A.{0,60}?\b(?:functions?|tools?)(?:[.:/_-])", re.IGNORECASE)
"""Namespaces that models write before a tool's name, such as ``functions_`` or ``commentary to=functions.``."""
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
LONGEST_NAME: Final = 64
"""Letters of a tool's name that servers take."""
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
        """A further piece of the arguments' JSON; what is no text is all of them at once."""
        if arguments is None or self._letters > MAX_ARGUMENTS:
            return
        piece = arguments if isinstance(arguments, str) else as_json(arguments)
        self._pieces.append(piece)
        self._letters += len(piece)

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
        last = self._names[-1] if self._names else ""
        found = (known_name(name, known) or _alike(name, known) for name in (joined, last))
        return next(filter(None, found), self._names[0] if self._names else "")

    def finish(
        self, otherwise: str, taken: dict[str, tuple[str, list[Any]]], known: Collection[str], *, is_sure: bool
    ) -> list[s.ToolCall]:
        """The whole call, under an id that no other has; unless it ``is_sure`` that all of it came, a broken one.

        One that was told before under this very id, the same in all, is none. Two that differ in nothing but their ids
        are two: whoever asks twice is answered twice.
        Some servers put several calls of one tool into one: objects of arguments, one behind the other.
        """
        name = self.named(known)
        if name not in known and (written := self._written(name, known)):
            return [
                s.ToolCall(f"{otherwise[: MAX_ID - 3]}{at:02}", *call, extra=self.extra)
                for at, call in enumerate(written)
            ]
        if not name:
            return []
        if name not in known:  # it is told again with the refusal, and servers look at names
            name = _NO_NAME.sub("_", name)[:LONGEST_NAME]
        arguments = self._read()
        found = [arguments] if isinstance(arguments, dict) else self._objects()
        if not found and is_sure and isinstance(arguments, str):
            found = arguments_written(arguments, name) or _closed(arguments)
        if self.call_id and taken.get(self.call_id) == (name, found):
            return []
        call_id = self.call_id if self.call_id and self.call_id not in taken else otherwise
        taken[call_id] = (name, found)
        if not (found and is_sure):
            broken = "".join(self._pieces)[:100] or "nothing"
            return [s.ToolCall(call_id, name, {}, broken=broken, extra=self.extra)]
        ids = [call_id, *(f"{call_id[: MAX_ID - 3]}{at:02}" for at in range(1, len(found)))]
        taken.update(dict.fromkeys(ids[1:], (name, found)))
        return [s.ToolCall(each, name, given, extra=self.extra) for each, given in zip(ids, found, strict=True)]

    def _written(self, name: str, known: Collection[str]) -> list[Call]:
        """The calls that stand in the name, or in the arguments of none: as text, or several in one wrapping."""
        wraps = not name or "(" in name or "{" in name or name.startswith("multi_tool_use") or name == "parallel"
        return calls_in(name + "".join(self._pieces), known)[:MAX_CALLS] if wraps else []

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


def _alike(name: str, known: Collection[str]) -> str:
    """The one tool whose name has the same letters and figures, whatever stands between and before them."""
    bare = _NAMESPACE.sub("", name)
    found = [tool for tool in known if _folded(tool) in (_folded(name), _folded(bare))] if bare else []
    return found[0] if len(found) == 1 else ""


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _closed(text: str) -> list[dict[str, Any]]:
    """The arguments, if all that they lack is the last brackets, which some servers lose."""
    if text.rstrip()[-1:].isdigit():  # there may have been more of them
        return []
    made = (arguments_in(text + closing) for closing in ("}", "}}", "]}"))
    return [found for found in made if isinstance(found, dict)][:1]
