"""The size of what a tool has returned, found without writing it as JSON.

Writing it takes as long as there is of it, and nobody else has a turn meanwhile: a list of a million rows, or one row
in a list a million times, would stop every call.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARRAYS: Final = (list, tuple, set, frozenset)
_END: Final = object()


def is_longer_than(value: Any, limit: int) -> bool:
    """True if the JSON of a value has more bytes than this for certain. Takes as many steps at the most.

    What is in a cycle is longer than anything. False says nothing yet: each part may need more bytes than are counted
    here.

    Raises:
        BaseException: whatever an object's own code raises.
    """
    least, levels = 0, [iter((value,))]
    while levels:
        part = next(levels[-1], _END)
        if part is _END:
            levels.pop()
            continue
        least += 1 + _length(part)
        if least > limit:
            return True
        parts = _parts(part)
        if parts is not None:
            levels.append(parts)
    return False


def _length(part: Any) -> int:
    """Bytes that a part has at least, besides one; of a container the number of its parts."""
    if isinstance(part, (str, bytes, bytearray, dict, *_ARRAYS)):
        return len(part)
    return part.nbytes if isinstance(part, memoryview) else 0


def _parts(part: Any) -> Iterator[Any] | None:
    """The parts of a container or of an object with fields; ``None`` for anything else."""
    if isinstance(part, dict):
        return chain.from_iterable(dict.items(part))
    if isinstance(part, _ARRAYS):
        return iter(part)
    kind = type(part)
    for fields in ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__"):  # msgspec's, and what it can read
        named = getattr(kind, fields, None)
        if named is not None:
            return (getattr(part, getattr(field, "name", field), None) for field in named)
    return None
