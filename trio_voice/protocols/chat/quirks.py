"""One chat server's peculiarities, learned from how it refuses: it is asked again without what it did not take.

They are kept with the stage's settings, so that the next call does not learn them anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

    from trio_voice.protocols.chat.refusals import Complaint

_NO_SUCH_PARAMETER: Final = re.compile(
    r"not support|unsupported|unknown|unrecognized|unexpected|not permitted|not allowed|extra inputs|extra_forbidden"
    r"|invalid|not valid|no such|does not exist|too (?:large|high|low|small)|out of range|less than or equal|must be",
    re.IGNORECASE,
)
_NO_SYSTEM: Final = re.compile(
    r"system (?:role|message|prompt|instruction)s?.{0,40}(?:not|un)[ -]?(?:supported|enabled|allowed)"
    r"|role '?system'? (?:is|are) not supported|(?:not|n't) support.{0,20}system|roles must alternate"
    r"|only user and assistant roles|only user.{0,40}roles are (?:supported|allowed)|developer instruction",
    re.IGNORECASE,
)
_SHORT_IDS: Final = re.compile(
    r"length (?:of )?9\b|9 alphanumeric|tool_call.{0,20}id'?:? (?:string too long|.{0,20}pattern)", re.IGNORECASE
)
_NO_CALLS: Final = re.compile(
    r"not support(?:ed)? (?:tools|function)|(?:tools?|function) .{0,40}not (?:supported|enabled)|support tool use"
    r"|function calling not support|support the provided 'tools'|tool choice requires|tools param requires",
    re.IGNORECASE,
)
_SIGNATURE_MISSED: Final = re.compile(r"missing.{0,9}thought_signature", re.IGNORECASE)
_NO_THINKING: Final = re.compile(r"\bthink(?:ing)? .{0,30}not supported|not support thinking", re.IGNORECASE)
_THOUGHTS_MISSED: Final = re.compile(
    r"missing.{0,20}reasoning_content|reasoning_content.{0,40}(?:missing|must be passed)", re.IGNORECASE
)


@attrs.define(eq=False)
class Quirks:
    """A server's peculiarities, as far as they are known."""

    left_out: set[str] = attrs.field(factory=set)
    """Names of optional parameters that it does not take."""
    no_system: bool = False
    """Its template knows no system line: the prompt stands in the user's first turn."""
    no_tools: bool = False
    wants_thoughts: bool = False
    """It wants to see the thoughts of its own turns again (Moonshot's and DeepSeek's thinking models)."""
    wants_signatures: bool = False
    """It wants to see its signature of each call again, those of another model's included (Gemini)."""
    short_ids: bool = False
    """Ids of tool calls must be nine letters or digits (Mistral's templates)."""
    thinks_first: bool = False
    """Its answers begin with thoughts whose opening tag is missing: the template has it."""

    def learn(self, complaint: Complaint, sent: Collection[str]) -> bool:
        """Learn from a refusal; returns whether there is reason to ask again.

        Args:
            complaint: the refusal.
            sent: the names of the optional parameters that were sent.
        """
        if complaint.status not in {0, 400, 404, 422, 500, 501} or complaint.is_too_long:
            return False
        said = complaint.said
        if _SHORT_IDS.search(said) and not self.short_ids:
            self.short_ids = True
        elif _THOUGHTS_MISSED.search(said) and not self.wants_thoughts:
            self.wants_thoughts = True
        elif _SIGNATURE_MISSED.search(said) and not self.wants_signatures:
            self.wants_signatures = True
        elif _NO_SYSTEM.search(said) and not self.no_system:
            self.no_system = True
        elif _NO_CALLS.search(said) and "tools" in sent and not self.no_tools:
            self.no_tools = True
        elif _NO_THINKING.search(said) and "reasoning_effort" in sent:
            self.left_out.add("reasoning_effort")
        elif _NO_SUCH_PARAMETER.search(said) and (wrong := self._named(said, sent)) is not None:
            self.left_out.add(wrong)
        else:
            return False
        return True

    def _named(self, said: str, sent: Collection[str]) -> str | None:
        """The parameter that the refusal names first, if it is one of those that were sent."""
        found = [(at[0], name) for name in {*sent, *self.left_out} if (at := _places(name, said))]
        name = min(found)[1] if found else None
        return name if name in sent else None


def _places(name: str, said: str) -> list[int]:
    return [found.start() for found in re.finditer(rf"\b{name}\b", said)]
