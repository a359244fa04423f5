"""Server-sent events, as language models stream them (WHATWG HTML, 9.2.6 "Interpreting an event stream").

Bytes in, events out. Pieces may end anywhere: inside a character of UTF-8, between CR and LF, inside JSON.
"""

from __future__ import annotations

from typing import Final

import attrs

from trio_voice.errors import RemoteProtocolError

MAX_EVENT_BYTES: Final = 1_048_576
"""Of one event; the longest that any provider sends is a whole tool call in one chunk, some kilobytes."""


@attrs.frozen
class ServerSentEvent:
    """One event; ``event`` is empty where the server names none."""

    event: str
    data: str


class EventStreamReader:
    """Cuts one body into events. Lines end in LF, CRLF or CR. Each byte is looked at once, however the pieces end."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """The pieces of a line whose end has not come."""
        self._first = True
        """No line has come yet: a byte order mark may stand before it."""
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        """Bytes of the event so far."""

    def receive(self, data: bytes) -> list[ServerSentEvent]:
        """The events that a further piece completes. Bytes that are no UTF-8 become U+FFFD, as the standard says.

        Raises:
            RemoteProtocolError: an event is longer than ``MAX_EVENT_BYTES``.
        """
        if not data:
            return []
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        if b"\n" not in data and not self._after_cr and b"\r" not in data:
            self._keep(data)
            return []
        *ends, rest = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        events: list[ServerSentEvent] = []
        for end in ends:
            self._keep(end)
            event = self._end_line()
            if event is not None:
                events.append(event)
        self._keep(rest)
        return events

    def end(self) -> list[ServerSentEvent]:
        """The body has ended: an event whose blank line some servers leave out is taken all the same."""
        events = [self._end_line(), self._end_line()]
        return [event for event in events if event is not None]

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._size += len(piece)
            if self._size > MAX_EVENT_BYTES:
                raise RemoteProtocolError(f"an event of more than {MAX_EVENT_BYTES} bytes")

    def _is_another(self, value: str) -> bool:
        """True if a line cannot go on with the JSON object that has come."""
        begins_anew = value.startswith("{") or value.strip() == "[DONE]"
        return begins_anew and bool(self._data) and self._data[0].startswith("{") and self._data[-1].endswith("}")

    def _end_line(self) -> ServerSentEvent | None:
        if not self._line:
            event = ServerSentEvent(self._event, "\n".join(self._data)) if self._data else None
            self._event, self._data, self._size = "", [], 0
            return event
        line = b"".join(self._line)
        if self._first:
            self._first, line = False, line.removeprefix(b"\xef\xbb\xbf")
        self._line.clear()
        name, _, value = line.decode(errors="replace").partition(":")
        name, value = name.strip(" \t\ufeff"), value.removeprefix(" ")  # some put marks and blanks before each line
        if name == "data":
            if self._is_another(value):  # some servers leave out the blank line
                event = ServerSentEvent(self._event, "\n".join(self._data))
                self._event, self._data, self._size = "", [value], len(line)
                return event
            self._data.append(value)
        elif name == "event":
            self._event = value
        return None  # a comment, or a field that means nothing here
