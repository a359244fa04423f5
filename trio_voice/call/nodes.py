"""The nodes of a house of several machines, as one of them sees the others.

Every call id begins with the two digits of the node that holds the call. What a node tells the others of itself stands
with its heartbeat in the journal, so a node that is new is known to all within seconds, and nobody lists the others in
a file.
"""

from __future__ import annotations

import re
from typing import Final

DEFAULT_DIGITS: Final = "00"
ORDINAL: Final = "ordinal"
_MOST: Final = 255


def node_digits(written: str | None, host_name: str) -> str:
    """The digits of this machine.

    Args:
        written: ``[server] node``.
        host_name: of this machine.

    Raises:
        ValueError: there are none; the message says why.
    """
    if written is None:
        return DEFAULT_DIGITS
    if written == ORDINAL:
        number = re.search(r"([0-9]+)$", host_name.partition(".")[0])
        if number is None or int(number[1]) > _MOST:
            raise ValueError(
                f'"{ORDINAL}" is the number at the end of the host name, at most {_MOST}, and this one is {host_name!r}'
            )
        return f"{int(number[1]):02x}"
    if not re.fullmatch("[0-9a-f]{2}", written):
        raise ValueError(f'must be two lower-case hexadecimal digits, like "1f", or "{ORDINAL}", not {written!r}')
    return written
