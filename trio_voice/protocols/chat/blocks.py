"""Parts of an answer's text that are held back until they end: a call in tags, in brackets, or in a fence."""

from __future__ import annotations

import attrs


@attrs.define
class Block:
    """A part of the text that is held back until it ends."""

    closing: str
    """The words that end it; empty for brackets, which end where they are closed."""
    text: list[str] = attrs.field(factory=list)
    letters: int = 0
    depth: int = 0
    quoted: bool = False
    escaped: bool = False
    tail: str = ""

    def find_end(self, buffer: str, at: int) -> int | None:
        """Place behind its end in a further piece of the text, from ``at`` on; ``None`` if that does not end it."""
        if self.closing:
            tail, length = self.tail, len(self.closing)
            found = (tail + buffer[at:]).find(self.closing)
            if found >= 0:
                return at + found - len(tail) + length
            self.tail = (tail + buffer[at:])[-(length - 1) :]
            return None
        for place in range(at, len(buffer)):
            letter = buffer[place]
            if self.escaped:
                self.escaped = False
            elif self.quoted:
                self.escaped = letter == "\\"
                self.quoted = letter != '"'
            elif letter == '"':
                self.quoted = True
            elif letter in "{[(":
                self.depth += 1
            elif letter in "}])":
                self.depth -= 1
                if self.depth <= 0:
                    return place + 1
        return None
