"""Words of a caller that cannot be the last: "I would like to", "and then", "my number is".

A pure function of the text. What it says is a guess that costs little: an answer that is not begun early comes a little
later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from trio_voice.speech_text.languages import primary

_LAST: Final = re.compile(r"([^\W\d_]+(?:['’-][^\W\d_]+)?)\W{0,3}\Z")
_ENDS: Final = re.compile(r"[?!\uff1f\uff01]\W{0,3}\Z")
_GOES_ON: Final = re.compile(r"[,:;–—-]\s?\Z|(?:\.\.\.|…)\s?\Z")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_LAST: Final[Mapping[str, frozenset[str]]] = {
    "en": _words(
        "a an the my your our their to and or but because than as if i'm we're it's i i'd i'll we we'd um uh er erm "
        "very every each between into"
    ),
    "de": _words(
        "der die das den dem des ein eine einen einem einer mein meine meinen meiner unser unsere zur zum im am vom "
        "beim und oder aber weil dass ob wenn ich wir für von ohne gegen äh ähm sehr jeden jede"
    ),
    "fr": _words(
        "le la les un une des du de au aux mon ma mes notre nos votre vos ce cette ces à et ou mais car que qui si "
        "je j'ai nous pour dans sur par sans euh très chaque"
    ),
    "es": _words(
        "el la los las un una unos unas mi mis su sus nuestro nuestra al del de a en con por para y o pero que porque "
        "si yo eh este muy cada"
    ),
    "it": _words(
        "il lo la i gli le un uno una mio mia del della al alla di a da in con per e o ma che perché se io ehm "
        "molto ogni"
    ),
    "pt": _words(
        "o a os as um uma meu minha do da dos das no na ao à de em com por para e ou mas que porque se eu hum "
        "muito cada"
    ),
    "nl": _words("de het een mijn onze deze naar voor van en of maar omdat dat als ik wij we eh uhm heel elke tussen"),
}


def is_unfinished(text: str, language: str) -> bool:
    """True if a caller who has said this so far will say more.

    Args:
        text: the words so far, with or without punctuation.
        language: a BCP 47 tag; of one that is not known here only the punctuation is looked at.
    """
    end = text.rstrip()[-60:]
    if _ENDS.search(end):
        return False
    if _GOES_ON.search(end):
        return True
    last = _LAST.search(end)
    return last is not None and last[1].lower().replace("’", "'") in _NEVER_LAST.get(primary(language), frozenset())
