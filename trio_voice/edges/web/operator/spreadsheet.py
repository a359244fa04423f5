"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

from typing import Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of what spreadsheets take for a formula; the last are the full-width ones of East Asia's."""


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula, whatever it begins with. A number stays one."""
    text = "" if value is None else str(value)
    if isinstance(value, int | float) or not text.lstrip().startswith(FORMULA):
        return text
    return f"'{text}"
