"""What a kind of model says and understands; one small file each, without I/O.

To add one, write a class with the methods of ``Family`` and name it in ``FAMILIES``. The socket, the phases of a call
and every fault are ``model.py``'s, so a new family is broken in all the ways that the others are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rig.families.assemblyai_agent import AssemblyAIAgent
from rig.families.openai_realtime import OpenAIRealtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rig.families.family import Family

FAMILIES: Final[Mapping[str, type[Family]]] = {
    "assemblyai-agent": AssemblyAIAgent,
    "openai-realtime": OpenAIRealtime,
}
"""By the name that ``--family`` takes."""
