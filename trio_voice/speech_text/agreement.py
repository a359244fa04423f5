"""Numbers that agree with what is counted: "una hora", "duas casas", "eine Stunde".

The gender is guessed of a noun's ending, with the exceptions that are common on the telephone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs


@attrs.frozen
class _Genders:
    """One language's."""

    feminine: re.Pattern[str]
    """Nouns of which it is sure enough."""
    masculine: frozenset[str]
    """Nouns that only look like those."""
    no_nouns: frozenset[str]
    """Words behind a number that it does not count."""
    forms: tuple[tuple[str, str, str], ...]
    """Endings of a number, of which the first that fits is changed: as it is, masculine, feminine."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GENDERS: Final[Mapping[str, _Genders]] = {
    "de": _Genders(
        re.compile(r".*(?:e|ung|heit|keit|schaft|tät|ion)|Nacht|Person|Nummer|Tür"),
        _words("Name Junge Kunde Ende Käse Kollege Gedanke Buchstabe"),
        frozenset(),
        (("eins", "ein", "eine"),),
    ),
    "fr": _Genders(
        re.compile(
            r"(?:heure|minute|seconde|personne|foi|semaine|nuit|chambre|table|place|question|carte|page|ligne|boîte"
            r"|tasse|pièce|commande|adresse|rue|porte|pizza|.*(?:ée|tion|sion|ette|ité|aine|eille|ure))s?"
        ),
        _words("musée lycée"),
        frozenset(),
        (("un", "un", "une"),),
    ),
    "es": _Genders(
        re.compile(r".*(?:as?|ión|iones|dad|dades)|noches?|ve(?:z|ces)|tardes?|clases?|calles?|llaves?|mujer(?:es)?"),
        _words("día días mapa mapas problema problemas programa programas tema temas sistema sistemas"),
        _words("a al con de del e el en es hasta la las los más menos ni o para por que sin son u y"),
        (
            ("veintiuno", "veintiún", "veintiuna"),
            ("uno", "un", "una"),
            ("cientos", "cientos", "cientas"),
            ("quinientos", "quinientos", "quinientas"),
        ),
    ),
    "it": _Genders(
        re.compile(r".*a|notte|classe|stazione"),
        _words("problema programma tema sistema"),
        _words("a al alla con da dal di e ed il in la o per più su"),
        (("uno", "un", "una"),),
    ),
    "pt": _Genders(
        re.compile(r".*(?:as?|ção|ções|dades?|gem|gens)|noites?|vez|vezes|tardes?|mulher(?:es)?"),
        _words("dia dias mapa mapas problema problemas programa programas tema temas sistema sistemas grama gramas"),
        _words("a ao as até com da das de do dos e em mais menos na no o os ou para por que"),
        (("um", "um", "uma"), ("dois", "dois", "duas"), ("entos", "entos", "entas")),
    ),
}
BORDER: Final = r"\b"
_NOUN: Final = re.compile(r"\s([^\W\d_]{2,40})(?![\w'’])")
_WHOLE_ALONE: Final = frozenset({"de", "it"})
"""Languages in which larger numbers stay as they are."""


def agreed(said: str, after: str, language: str) -> str:
    """A number in words as it is said before these further words."""
    genders, noun = _GENDERS.get(language), _NOUN.match(after)
    if genders is None or noun is None or noun[1].lower() in genders.no_nouns:
        return said
    if language == "de" and noun[1].islower():
        return said
    is_feminine = genders.feminine.fullmatch(noun[1]) is not None and noun[1] not in genders.masculine
    for ending, masculine, feminine in genders.forms:
        if said == ending or (
            language not in _WHOLE_ALONE and re.search(rf"{'' if ending.endswith('ntos') else BORDER}{ending}\Z", said)
        ):
            return said[: len(said) - len(ending)] + (feminine if is_feminine else masculine)
    return said
