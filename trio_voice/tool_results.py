"""What a tool gives back: to the model, and to the call."""

from __future__ import annotations

import enum

import attrs


class Then(enum.Enum):
    """What becomes of the call after a tool."""

    GO_ON = "go on"
    END_CALL = "end the call once the goodbye was heard"
    TRANSFER = "transfer the call once the words before it were heard"


@attrs.frozen
class ToolResult:
    """The answer to one request: JSON text, and what becomes of the call."""

    text: str
    failed: bool = False
    then: Then = Then.GO_ON
    unknown_arguments: int = 0
    """Those that the model has given and the tool has no name for; it ran without them."""
