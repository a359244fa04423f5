"""Responses as they come: the sound of their items, which are truncated one by one, their text, their calls.

Of responses, items, calls and texts only so many are remembered as the constants say; what has an id or arguments of
endless length is not.
"""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import attrs

from trio_voice.audio.mulaw import base64_ms
from trio_voice.protocols.json_messages import MAX_ID, as_json, text_in

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_RESPONSES: Final = 8
MAX_ITEMS: Final = 32
"""Of one response; sound of further ones is passed on, and cannot be truncated."""
MAX_CALLS: Final = 32
"""Function calls of one response; further ones are not run."""
MAX_ARGUMENTS: Final = 100_000
"""Letters of a function call's arguments. Longer ones count as broken."""
MAX_LETTERS: Final = 5_000
"""Of the text of one item that is put together here."""

_NO_TEXT: Final = "too long, or no text"


@attrs.define(eq=False)
class Response:
    """One response, as far as it has come."""

    response_id: str
    received_ms: dict[str, float] = attrs.field(factory=dict)
    """The sound of each item, in the order in which the caller hears them."""
    texts: dict[str, str] = attrs.field(factory=dict)
    written: dict[str, str] = attrs.field(factory=dict)
    """The text of items that were answered in writing, which nobody hears."""
    audible: bool = False
    """Something of it can be heard."""
    heard_from: float = -math.inf
    """Time at which the caller begins to hear it, by the clock."""
    passes: bool = False
    """Its further sound may be passed on without being looked at."""
    cancelled: bool = False
    """The server was told to break it off."""
    gives_way: bool = False
    """And that was to have its rest said by another: nobody has interrupted it."""
    calls: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """The function call items that are whole, by the server's call id."""
    told_calls: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """The same of those whose arguments alone were told."""
    named_calls: dict[str, tuple[str, str]] = attrs.field(factory=dict)
    """The call id and the name of function calls that have begun, by their items' ids."""

    @property
    def text(self) -> str:
        """The text of all its items."""
        return " ".join(filter(None, self.texts.values()))[:MAX_LETTERS]

    def add_sound(self, item_id: str, payload: str) -> None:
        """Sound of an item, as base64."""
        if item_id in self.received_ms or len(self.received_ms) < MAX_ITEMS:
            self.received_ms[item_id] = self.received_ms.get(item_id, 0.0) + base64_ms(payload)

    def add_text(self, event: dict[str, Any]) -> None:
        """The whole text of an item."""
        if len(self.texts) < MAX_ITEMS:
            self.texts[id_in(event, "item_id")] = text_in(event, "transcript")[:MAX_LETTERS]

    def add_written(self, event: dict[str, Any]) -> None:
        """The whole text of an item without sound."""
        if len(self.written) < MAX_ITEMS:
            self.written[id_in(event, "item_id")] = text_in(event, "text")[:MAX_LETTERS]

    def add_call(self, item: dict[str, Any]) -> None:
        """Remember a function call, unless it was cut off: then its arguments are, too."""
        call_id = id_in(item, "call_id") or id_in(item, "id")
        self.told_calls.pop(call_id, None)
        if item.get("status", "completed") == "completed" and call_id and len(self.calls) < MAX_CALLS:
            self.calls[call_id] = _function_call(text_in(item, "name"), item)

    def name_call(self, item: dict[str, Any]) -> None:
        """Remember whose arguments are to come."""
        if len(self.named_calls) < MAX_CALLS:
            self.named_calls[id_in(item, "id")] = id_in(item, "call_id"), text_in(item, "name")[:MAX_ID]

    def add_arguments(self, event: dict[str, Any]) -> None:
        """Remember the whole arguments of a function call: all that some servers tell of it."""
        item_id = id_in(event, "item_id")
        call_id, name = self.named_calls.get(item_id, ("", ""))
        call_id = id_in(event, "call_id") or call_id or item_id
        name = text_in(event, "name") or name
        if call_id and name and len(self.told_calls) < MAX_CALLS:
            self.told_calls[call_id] = _function_call(name, event)

    def unheard(self, heard_ms: float) -> Iterator[tuple[str, int]]:
        """Items that were not heard to their end, and the ms of each that were; never more than were received."""
        for item_id, received_ms in self.received_ms.items():
            if heard_ms < received_ms:
                yield item_id, int(max(heard_ms, 0.0))
            heard_ms = max(0.0, heard_ms - received_ms)


def _function_call(name: str, told: dict[str, Any]) -> dict[str, Any]:
    arguments = told.get("arguments")
    text = arguments if isinstance(arguments, str) else as_json(arguments)
    return {"name": name[:MAX_ID], "arguments": arguments if len(text) <= MAX_ARGUMENTS else _NO_TEXT}


class Responses:
    """Those of one session."""

    def __init__(self) -> None:
        self.kept: dict[str, Response] = {}
        """The last few, by their ids."""
        self._in_the_making: Response | None = None
        self._numbers = count(1)

    def open(self, response_id: str) -> tuple[Response, bool]:
        """The response of that id, and whether it was begun by this; without an id it is the one that is being made."""
        known = self.kept.get(response_id) if response_id else self._in_the_making
        if known is not None:
            return known, False
        response_id = response_id or f"response {next(self._numbers)}"
        response = self._in_the_making = self.kept[response_id] = Response(response_id)
        if len(self.kept) > KEPT_RESPONSES:
            self.kept.pop(next(iter(self.kept)))
        return response, True

    @property
    def in_the_making(self) -> Response | None:
        """The one that is being made."""
        return self._in_the_making

    @property
    def heard_until(self) -> float:
        """Time at which the caller has heard all that has come, by the clock."""
        ends = (kept.heard_from + sum(kept.received_ms.values()) / 1000 for kept in self.kept.values())
        return max(ends, default=-math.inf)

    def silenced(self) -> None:
        """The caller hears no more of what has come."""
        for kept in self.kept.values():
            kept.heard_from = -math.inf

    def abandon(self) -> None:
        """Nothing more is expected of the one that is being made."""
        self._in_the_making = None

    def close(self, response: Response) -> bool:
        """A response is done; returns whether now none is being made."""
        if response is self._in_the_making:
            self._in_the_making = None
        return self._in_the_making is None


def id_in(event: dict[str, Any], key: str) -> str:
    """An id of the server's.

    Raises:
        ValueError: it is too long to be remembered.
    """
    value = text_in(event, key)
    if len(value) > MAX_ID:
        raise ValueError(f"{key} has {len(value)} letters")
    return value
