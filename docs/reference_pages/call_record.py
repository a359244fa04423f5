"""The record of a call, as ``GET /calls/<call id>`` answers it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from reference_pages.markdown import MADE, attribute_docs, meaning, meanings, refuse_leftovers, table
from trio_voice import record, session_record, timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTS: Final = {
    "model_sessions": session_record.ModelSessionRecord,
    "transcript": record.Utterance,
    "turns": record.Turn,
    "tools": record.ToolUse,
    "transfers": record.Transfer,
    "timeline": timeline.TimelineEvent,
    "marks": timeline.Marks,
}
"""The class of what a list of the record holds."""
SPELT_OTHERWISE: Final = {"from": "from_number", "to": "to_number"}


def _sample() -> dict[str, Any]:
    """A record with one of everything."""
    now = datetime.now(UTC)
    sample = record.CallRecord(
        call_id="", direction="", persona="", from_number="", to_number="", started_at=now, currency="USD"
    )
    for name, kind in LISTS.items():
        needed: dict[str, Any] = {
            field.name: now if "datetime" in str(field.type) else 0 if field.type in ("float", "int") else ""
            for field in attrs.fields(kind)
            if field.default is attrs.NOTHING
        }
        getattr(sample, name).append(kind(**needed))
    return sample.as_json()


def fields() -> Iterator[tuple[str, str]]:
    """Each field by its path, such as ``turns[].latency_ms``, with its meaning.

    Raises:
        Undocumented: one has none.
    """
    docs = attribute_docs(record.CallRecord)
    for name, value in _sample().items():
        yield name, docs.get(SPELT_OTHERWISE.get(name, name)) or meaning("record", name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = attribute_docs(LISTS[name]) if name in LISTS else {}
            for each in value[0]:
                path = f"{name}[].{each}"
                own = meanings()["record"].get(path)  # where the answer has another shape than the attribute
                yield path, own or inner.get(each) or meaning("record", path)
        elif isinstance(value, dict):
            for each in value:
                yield f"{name}.{each}", meaning("record", f"{name}.{each}")


def page() -> str:
    """The page of the reference."""
    found = list(fields())
    refuse_leftovers("record", (name for name, _ in found))
    rows = ((f"`{name}`", words) for name, words in found)
    return "".join(
        (
            MADE,
            "# The record of a call\n\n",
            meaning("pages", "record").strip(),
            "\n\n",
            table(("field", "meaning"), rows),
            "\n",
            meaning("pages", "record_behind").strip(),
            "\n",
        )
    )
