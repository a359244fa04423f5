"""Words of a caller, after a telephone and a small recogniser have had them.

Pure text: phrases, numbers, days, times of day and names, each found although a letter or two may be wrong.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

DAYS: Final = (
    *("today", "tonight", "tomorrow"),
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
_UNITS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_LEAD_INS: Final = ("my name is", "name is", "name's", "under", "i am", "i'm", "this is", "it's", "it is", "for")
_NOT_NAMES: Final = frozenset(
    (
        *DAYS,
        *_UNITS,
        *_TENS,
        *("a", "an", "the", "my", "me", "i", "at", "on", "in", "and", "for", "to", "that", "what", "please", "half"),
        *("past", "noon", "am", "pm", "o'clock", "morning", "afternoon", "evening", "uh", "um", "er", "well", "yes"),
        *("no", "not", "booking", "table", "tasting", "cake", "appointment", "calling", "free", "fine", "like", "just"),
    )
)
_TIME_MARKS: Final = frozenset({"am", "pm", "o'clock", "at", "around", "morning", "afternoon", "evening"})
_LONGEST_NAME: Final = 3
_LONGEST_BARE_ANSWER: Final = 4
_AFTERNOON_BEFORE: Final = 7
"""A bakery's clock: who says only a small hour means the afternoon."""


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers, ``3 p.m.`` as ``3`` and ``pm``, without punctuation."""
    plain = re.sub(r"\b([ap])\.?\s?m\b\.?", r" \1m", text.lower().replace("’", "'"))
    plain = re.sub(r"(?<=\d)(?=[ap]m\b)", " ", plain)
    return re.findall(r"\d+:\d+|\d+|[a-z']+", plain)


def is_like(heard: str, meant: str) -> bool:
    """True if two words are equal but for a slip; two slips from eight letters on, none below five."""
    slips = 0 if len(meant) < 5 else 1 if len(meant) < 8 else 2
    if heard == meant or abs(len(heard) - len(meant)) > slips:
        return heard == meant
    row = list(range(len(meant) + 1))  # Levenshtein's distance, a row at a time
    for i, a in enumerate(heard, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(meant, 1):
            diagonal, row[j] = row[j], min(diagonal + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1] <= slips


def holds(words: Sequence[str], phrases: Sequence[str]) -> bool:
    """True if any of the phrases was said, its words side by side."""
    return any(True for phrase in phrases for _ in _ends_of(words, phrase.split()))


def _ends_of(words: Sequence[str], phrase: Sequence[str]) -> Iterator[int]:
    """The places just behind a phrase."""
    for start in range(len(words) - len(phrase) + 1):
        end = start + len(phrase)
        if all(map(is_like, words[start:end], phrase)):
            yield end


def numbers_in(words: Sequence[str]) -> list[int]:
    """The numbers said, in digits or in words below a hundred."""
    numbers: list[int] = []
    after_tens = False
    for word in words:
        if word in _UNITS or word.isdecimal():
            value = int(word) if word.isdecimal() else _UNITS.index(word)
            if after_tens and 0 < value < 10:
                numbers[-1] += value  # twenty | five
            else:
                numbers.append(value)
        elif word in _TENS:
            numbers.append(10 * (_TENS.index(word) + 2))
        after_tens = word in _TENS
    return numbers


def day_in(words: Sequence[str]) -> str:
    """A day as it is read back, or nothing."""
    day = next((day for word in words for day in DAYS if is_like(word, day)), "")
    return day.capitalize() if day.endswith("day") and day != "today" else day


def time_in(words: Sequence[str], *, asked: bool) -> str:
    """A time of day as it is read back, or nothing; if it was ``asked`` for, a bare number is one."""
    if "noon" in words:
        return "noon"
    said = " ".join(words)
    clock = re.search(r"\b(\d\d?):(\d\d)\b", said)
    half = "half past" in said
    numbers = [int(clock[1]), int(clock[2])] if clock else numbers_in(words)
    is_time = asked or clock or half or not _TIME_MARKS.isdisjoint(words)
    if not is_time or not numbers or not 1 <= numbers[0] <= 24:
        return ""
    hour = numbers[0]
    minute = 30 if half else numbers[1] if len(numbers) > 1 and numbers[1] < 60 else 0
    said_morning = "am" in words or "morning" in words
    said_evening = not {"pm", "afternoon", "evening"}.isdisjoint(words)
    pm = said_evening or 12 <= hour < 24 or (hour < _AFTERNOON_BEFORE and not said_morning)
    return f"{(hour - 1) % 12 + 1}{f':{minute:02}' if minute else ''} {'pm' if pm else 'am'}"


def name_in(words: Sequence[str], *, asked: bool) -> str:
    """A person's name, or nothing; if it was ``asked`` for, a short answer is one without a lead-in."""
    starts = [end for lead_in in _LEAD_INS for end in _ends_of(words, lead_in.split())]
    names = [_name_at(words[start:]) for start in starts]
    if asked and len(words) <= _LONGEST_BARE_ANSWER:
        names.append(_name_at([word for word in words if word not in _NOT_NAMES]))
    return next(filter(None, names), "")


def _name_at(words: Sequence[str]) -> str:
    name: list[str] = []
    for word in words[:_LONGEST_NAME]:
        if word in _NOT_NAMES or not word[0].isalpha():
            break
        name.append(word.capitalize())
    return " ".join(name)
