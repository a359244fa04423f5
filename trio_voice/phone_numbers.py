"""Telephone numbers: the one place that says which spellings are the same number.

Twilio writes E.164, ``+15551234567``; people write ``+1 (555) 123-4567``, and SIP carriers ``sip:+15551234567@host``.
Whoever compares two numbers compares what ``e164`` makes of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from unicodedata import category, decimal, normalize
from urllib.parse import unquote

import phonenumbers

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_DIGITS_WITHOUT_PLUS: Final = 11
"""Fewer may be a number without its country; of so many, the first are taken for the country."""
MIN_OF_AN_END: Final = 3
"""Digits by which a number is looked for."""
WITHHELD: Final = frozenset({"+464", "+2562533", "+8656696", "+7378742833", "+266696687", "+86282452253"})
"""Numbers that Twilio writes for callers who withhold theirs: NO, BLOCKED, UNKNOWN, RESTRICTED, ANONYMOUS and
UNAVAILABLE on a keypad (Twilio, "How can I see withheld numbers")."""
_DEAR: Final = (
    phonenumbers.PhoneNumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
    phonenumbers.PhoneNumberType.SHARED_COST,
)
_DEAR_NETWORKS: Final = frozenset({808, 870, 878, 881, 882, 883, 979})
"""Codes of no country: satellites, international networks, and premium numbers of the whole world (ITU-T E.164.D)."""
_WRITTEN: Final = re.compile(r"(\+?)([0-9][0-9 ()./-]{0,38})")
"""Digits, and the punctuation that people put between them."""
_END: Final = re.compile(rf"\+?[0-9]{{{MIN_OF_AN_END},15}}")
_NAMED: Final = re.compile(r"[^<>]*<([^<>]*)>")
"""RFC 3261, 20.10: an address with a name."""
_ADDRESS: Final = re.compile(r"(?:sips?:([^@;:?]+)(?:[@;:?].*)?|tel:([^;]+)(?:;.*)?)", re.IGNORECASE | re.DOTALL)
"""RFC 3261, 19.1.1, and RFC 3966: the user part, and the number."""


def e164(written: str) -> str | None:
    """The number in E.164, however it was written; ``None`` if this is no number that can be dialed.

    Without a plus sign the country's code must be there all the same: ``15551234567`` is a number, ``(555) 123-4567``
    may be anybody's. ``sip:`` and ``tel:`` addresses are the number inside, if there is one. Linear in its length.
    """
    plain = _plain(written[:200])
    named = _NAMED.fullmatch(plain)
    address = _ADDRESS.fullmatch(named[1] if named else plain)
    spelt = (unquote(address[1] or address[2]) if address else plain).strip()
    if spelt.startswith("00"):
        spelt = f"+{spelt[2:].lstrip(' -')}"
    if spelt.startswith("(+"):
        spelt = spelt[1:]
    found = _WRITTEN.fullmatch(spelt.replace("(0)", "", 1))  # "+44 (0)20": the zero is dialed at home only
    if found is None:
        return None
    digits = re.sub(r"\D", "", found[2])
    if not found[1] and len(digits) < MIN_DIGITS_WITHOUT_PLUS:
        return None
    try:
        parsed = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # The library drops what it takes for a prefix of the country: what it would dial is not what was written.
    return number if number == f"+{digits}" and phonenumbers.is_possible_number(parsed) else None


def _plain(written: str) -> str:
    """The number in the letters of a keypad; pages and contacts have other spaces, hyphens and digits."""
    if written.isascii():
        return written.strip()
    letters = (letter for letter in normalize("NFKC", written) if category(letter) != "Cf")  # marks of direction
    keys = (str(decimal(letter)) if letter.isdecimal() else letter for letter in letters)
    return "".join("-" if category(key) == "Pd" or key == "\u2212" else key for key in keys).strip()


def number_or_end(written: str) -> str | None:
    """The number in E.164 that is looked for, or the digits that it ends with; ``None`` if this is neither."""
    digits = re.sub("[ ()./-]", "", _plain(written[:200]))
    end = digits if _END.fullmatch(digits) else None
    if end is not None and not end.startswith(("+", "00")):
        return end
    return e164(written) or end


def of_telephone(written: str) -> str | None:
    """The number in E.164 of a caller who can be called back; ``None`` of a client, and of one who withholds it."""
    number = None if written.strip().lower().startswith("client:") else e164(written)
    return None if number in WITHHELD or written.strip() in WITHHELD else number


def premium_numbers(prefix: str) -> list[str]:
    """Numbers with a charge of their own that begin so, one for each country that has such: examples, not all of them.

    Args:
        prefix: in E.164, such as ``+1``; empty for any number.
    """
    found: dict[str, None] = {}
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        if not (prefix.startswith(f"+{code}") or f"+{code}".startswith(prefix)):
            continue
        for region in regions:
            dear = next((number for number in _examples(code, region, prefix) if _is_dear(number)), None)
            found |= dict.fromkeys([] if dear is None else [dear])
    return list(found)


def _examples(code: int, region: str, prefix: str) -> Iterator[str]:
    """Numbers of a country that begin so, as the library's examples go on, and with each digit to their length."""
    examples = [phonenumbers.example_number_for_type(region, kind) for kind in _DEAR]
    if code in _DEAR_NETWORKS:
        examples.append(phonenumbers.example_number_for_non_geo_entity(code))
    numbers = [
        phonenumbers.format_number(each, phonenumbers.PhoneNumberFormat.E164) for each in examples if each is not None
    ]
    for number in numbers:
        yield prefix + number[len(prefix) :]
    for number in numbers:
        yield from (prefix.ljust(len(number), digit) for digit in "0123456789")


def _is_dear(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed) and (
        parsed.country_code in _DEAR_NETWORKS or phonenumbers.number_type(parsed) in _DEAR
    )


def countries(prefix: str) -> int:
    """Number of countries that share the country's code that a prefix begins with, and all that lies below it."""
    return max(
        (len(regions) for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() if prefix == f"+{code}"),
        default=1,
    )


def last_digits(number: str) -> str:
    """A number that can be told from others, in a log or over somebody's shoulder, without being one."""
    return f"…{number[-4:]}" if len(number) > 4 else number
