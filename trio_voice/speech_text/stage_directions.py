"""Stage directions: what a model writes that it does, such as ``*smiles*``, ``(laughs)`` or ``[pause]``."""

from __future__ import annotations

import re
from typing import Final

MAX_WORDS: Final = 6
"""A longer aside is something that is meant to be said."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

_THOUGHT: Final = re.compile(
    r"\s*(?:thinking|thought|internal|inner monologue|reasoning|note to self)\s?:", re.IGNORECASE
)
"""Beginning of what a model thinks, in brackets."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ACTIONS: Final = _set("""
    smiles smiling laughs laughing laughter chuckle chuckles chuckling giggles giggling grins grinning sigh
    sighs sighing nods nodding pause pauses pausing beat silence winks winking shrugs shrugging gasps gasping
    coughs coughing sniff sniffs sniffles sobs crying cries whispers whispering mumbles mutters yawns breathes
    inhales exhales exhaling hums humming types clicks rustling cheerfully warmly softly gently excitedly
    enthusiastically sarcastically thoughtfully sympathetically quietly happily applause music inaudible blushes
    gestures tilts thinks listens checks ahem snickers snorts groans gulps hesitates hesitantly playfully
    nervously empathetically lächelt lächelnd lacht lachend lachen seufzt seufzend nickt nickend kichert grinst
    räuspert stille flüstert zwinkert überlegt hustet atmet freundlich sourit souriant rit riant rire rires
    soupire soupirant hoche glousse tousse chuchote réfléchit sonríe sonriendo ríe riendo risas risa suspira
    suspirando asiente tose susurra piensa pausa silencio sorride sorridendo ride ridendo risata risate sospira
    annuisce tossisce sussurra pensa silenzio sorri sorrindo ri rindo risos acena tosse silêncio glimlacht
    glimlachend zucht knikt kucht fluistert denkt pauze stilte clears leans waves beep
""")
_BEFORE_ACTIONS: Final = _set("""
    a an the with long short brief slight small soft softly warm warmly gentle gently he she they slightly lightly
""")


_HANGS_UP: Final = re.compile(
    r"\W*(?:(?:the |an? )?(?:agent|assistant|operator|ai|bot) )?(?:"
    r"(?:hang(?:s|ing)?|hung)[ _-]?up(?: the phone| now)?|puts? down the phone|disconnect(?:s|ed|ing)?"
    r"|(?:end|terminat|disconnect|clos|drop)(?:s|es|ed|ing|e)?[ _-](?:(?:the|this)[ _-])?"
    r"(?:call|line|phone|conversation)"
    r"|(?:call|line|conversation)[ _-](?:has[ _-])?(?:end(?:s|ed)|disconnect(?:s|ed)|terminated|over|closed)"
    r"|end[ _-]of[ _-](?:the[ _-])?(?:call|conversation)"
    r"|legt auf|auflegen|aufgelegt|beendet (?:den anruf|das gespräch)|(?:anruf|gespräch) beendet"
    r"|ende des (?:anrufs|gesprächs)"
    r"|cuelga|colgar|finaliza (?:la )?llamada|(?:fin de (?:la )?)?llamada(?: (?:finalizada|terminada))"
    r"|fin de (?:la )?llamada|raccroche|raccrocher|fin de (?:l[’']appel|la conversation)|appel terminé"
    r"|riattacca|fine (?:della )?chiamata|desliga|fim da chamada|hangt op|einde gesprek"
    r")\W*",
    re.IGNORECASE,
)


def is_hang_up(aside: str) -> bool:
    """True if what stands between asterisks or brackets says that the call is over now."""
    return _HANGS_UP.fullmatch(aside[:60]) is not None


def is_stage_direction(aside: str) -> bool:
    """True if what stands between asterisks or brackets is an action, a sound or a manner, and not to be said."""
    if _THOUGHT.match(aside) or is_hang_up(aside):
        return True
    words = _WORD.findall(aside.lower()[:200])
    if not words or len(words) > MAX_WORDS or any(letter.isdigit() for letter in aside):
        return False
    while len(words) > 1 and words[0] in _BEFORE_ACTIONS:
        words = words[1:]
    return words[0] in _ACTIONS


_TAG: Final = re.compile(
    r"(?:(?:very|slightly|speaking|tone|emotion|voice|in an?|with an?)[ :_-]*)?(?:happy|sad|angry|excited|calm|curious"
    r"|surprised|cheerful|friendly|warm|serious|confused|empathetic|sympathetic|apologetic|confident|disappointed"
    r"|frustrated|amused|mischievous|reassuring|professional|neutral|sarcastic|enthusiastic|polite|concerned|whisper"
    r"|shout|shouting|slow|fast)(?:ly|[ _-](?:tone|voice|manner))?|end[ _-]of[ _-](?:turn|message|response|text)|eot"
    r"|eos|done|end|stop|music|sfx|noise",
    re.IGNORECASE,
)


def is_tag(words: str) -> bool:
    """True if what stands between square brackets is for a voice that can be in a mood, or an end for machines."""
    return _TAG.fullmatch(words.strip()[:60]) is not None
