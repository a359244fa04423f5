"""Files of telephone numbers, as spreadsheets and other systems write them: who is never to be called, and why.

RFC 4180 has commas. Spreadsheets write semicolons where the comma is for decimals, tabs and UTF-16 as "Unicode text",
and Windows' letters where nobody asked for others.
"""

from __future__ import annotations

import codecs
import csv
import io
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.edges.web.operator.spreadsheet import FORMULA, safe_cell
from trio_voice.phone_numbers import e164

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_LETTERS: Final = 500
"""Of a reason."""
NO_NUMBER: Final = "must be a telephone number with its country, like +15551234567"
SEPARATORS: Final = (",", ";", "\t", "|")
_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Encodings by the byte order mark that such a file begins with."""


@attrs.frozen
class GoodRow:
    """A number in E.164, and why it is not to be called."""

    number: str
    reason: str


@attrs.frozen
class BadRow:
    """A row of a file that is left out."""

    line: int
    why: str


def text_of(data: bytes) -> str:
    """Text of a file in whichever encoding it is: by its byte order mark, else UTF-8, else that of Windows.

    UTF-16 without a mark is told by its zeros: a number has one in every second byte. Never fails.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    beginning = data[:200]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(beginning) > 1 and not any(beginning[offset::2]):
            return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_rows(text: str) -> Iterator[GoodRow | BadRow]:
    """The rows of a file, one after the other; empty ones are left out.

    The first may name the columns, in any order; other columns are left alone. Where it names no ``number``, a first
    row without a digit is taken for names in other words: numbers are then in the first column that has one, and
    reasons in the column beside it.
    """
    columns: Mapping[str, int] | None = None
    is_first = True
    for line, row in _lines_of(text, _separator(text)):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (is_first and row[0].lower().startswith("sep=")):
            continue
        numbers = [_number_in(cell) for cell in cells]
        if is_first:
            is_first = False
            names = [cell.lower() for cell in cells]
            if "number" in names:
                columns = {name: names.index(name) for name in ("number", "reason") if name in names}
                continue
            if not any(letter.isdigit() for name in names for letter in name):
                continue
        if columns is None and any(numbers):
            at = next(at for at, number in enumerate(numbers) if number is not None)
            columns = {"number": at, "reason": at + 1 if at + 1 < len(cells) or at == 0 else at - 1}
        yield _row(cells, numbers, columns or {"number": 0, "reason": 1}, line)


def _lines_of(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows as they are written, each with the number of its last line.

    A quotation mark that nobody closes would make one row of whatever is behind it. So lines are one row only where no
    later one of them has a number of its own; else each is a row.
    """
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    reader, last = csv.reader(noted(), delimiter=separator), 0
    while True:
        taken.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell without an end
            row = []
        before, last = last, last + len(taken)
        alone = [_line_alone(line, separator) for line in taken] if len(taken) > 1 or not row else []
        if not row or any(_number_in(cell) for cells in alone[1:] for cell in cells):
            yield from enumerate(alone, before + 1)
        else:
            yield last, row


def _line_alone(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return [line]


def _separator(text: str) -> str:
    """The separator of cells: that of which the first row has most; a first row may say it, as Excel's does."""
    first = next((line for line in io.StringIO(text[:10_000]) if line.strip()), "").strip("\r\n")
    if first.lower().startswith("sep=") and len(first) == len("sep=,"):
        return first[-1]
    return max(SEPARATORS, key=first.count)


def _number_in(cell: str) -> str | None:
    return e164(cell.removeprefix("'"))


def _row(
    cells: Sequence[str], numbers: Sequence[str | None], columns: Mapping[str, int], line: int
) -> GoodRow | BadRow:
    number_at, reason_at = columns["number"], columns.get("reason", len(cells))
    reason = _plain(cells[reason_at]) if reason_at < len(cells) else ""
    number = numbers[number_at] if number_at < len(cells) else None
    if number is None:
        written = cells[number_at][:40] if number_at < len(cells) else ""
        return BadRow(line, f"number {NO_NUMBER}, not {written!r}")
    if len(reason) > MAX_LETTERS:
        return BadRow(line, f"reason must be at most {MAX_LETTERS} letters")
    return GoodRow(number, reason)


def _plain(cell: str) -> str:
    """A cell in one line, without what ``safe_cell`` has put before it."""
    bare = cell.removeprefix("'")
    return " ".join((bare if bare.lstrip().startswith(FORMULA) else cell).split())


def csv_of(rows: Iterable[tuple[str, str]]) -> str:
    """Numbers and reasons as rows that ``read_rows`` reads. A number has its plus sign: it is text, and no formula."""
    text = io.StringIO()
    csv.writer(text).writerows([number, safe_cell(reason)] for number, reason in rows)
    return text.getvalue()
