"""Abbreviations, and other words that tell whether a dot ends a sentence. Without their dots; several languages."""

from __future__ import annotations

from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


TITLES: Final = _set(
    "Mr Mrs Ms Mx Dr Prof Rev Hon Fr Gen Col Capt Lt Sgt Maj Cmdr Gov Sen Rep Pres Messrs Mt Ft "
    "Dña Drs drs Ilmo Exma MM Fa "
    "Hr Frl Dipl Ing med Pr EE Mme Mlle Mgr Sr Sra Srta Dra Dhr Mevr Mej Sig Sigra Dott Dssa Avv Geom Eng Exmo "
    "mr mrs ms dr prof sr sra srta dra dhr mevr sig"
)
"""Before a name: no sentence ends with one."""

WITHIN: Final = _set(
    "approx vs cf viz ej incl excl est tel ca circa bzw evtl ggf inkl exkl zzgl vgl bspw sog resp bijv aprox env "
    "Tel Ca "
    "lt zt mind máx mín mio mrd tsd"
)
"""Something always follows; in whatever case."""

BEFORE_NUMBER: Final = _set(
    "max ed int ch no nos nr sec séc núm num art vol fig ext apt ste pág pag págs pp abs str ziff kap hfdst blz"
)
"""Abbreviated where a number follows, else a word like others: "No. 5" and "No. We are closed." In lower case."""

PERHAPS_LAST: Final = _set(
    "etc inc ltd co corp llc plc gmbh jr esq st ave blvd rd ln hwy pkwy sq ct pl bldg dept govt assn bros univ "
    "usw uvm enz ecc cie hrs hr min mins sec secs lb lbs oz ft mi yr yrs mo mos wk wks std mwst av avda pza "
    "lun mié jue vie sáb dom mar mié gio ven sab seg ter qua qui sex ma wo vr za zo janv févr juil déc "
    "og verd afd pça esq re li "
    "al hosp deg jh bd uu ud uds vd vds ex env "
    "mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec mo di mi do fr sa so"
)
"""A sentence may end with one, if the next word looks like the beginning of another. In lower case."""
ONLY_CAPITALISED: Final = _set(
    "mon tue tues wed thu thur thurs fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec mo di mi do fr sa so "
    "st co ct pl min sec"
)
"""Of these, words like others where they begin with a small letter: "they sat.", "im so." """

STARTERS: Final = _set(
    "I We You It He She They The This That These Those Our Your There Here Is Are Do Does Did Would Can Could Please "
    "Shall Should What How When Where Which Who Why If Yes No Let And But So Or Also Then To For In On At Just Thank "
    "I'm I'll We're We'll You're You'll It's That's There's Let's "
    "Wir Sie Ich Es Das Die Der Ein Eine Möchten Möchte Soll Sollen Kann Können Haben Bitte Ist Sind Und Aber Dann "
    "Nous Vous Je Il Elle Le La Les Un Une Est Voulez Souhaitez Pouvez Nos Notre C'est Merci "
    "Usted Puede Quiere Desea Le Nos El Los Las Una Nuestro Gracias Está Es "
    "Lei Può Vuole Desidera Noi Il Lo Gli Siamo Grazie È "
    "Você Pode Quer Deseja Nós O A Os As Um Uma Obrigado "
    "Wij We U Wilt Kunt Het De Een Ons Onze Kan Bent"
)
"""Words that begin a sentence more often than they follow an abbreviation."""

JOINING: Final = {
    "en": _set("and but or so because which while although though unless until where whereas since if when"),
    "de": _set("und aber oder weil denn sondern damit obwohl während wenn falls sodass dass"),
    "fr": _set("et mais ou car parce puisque lorsque quand si qui donc"),
    "es": _set("y pero o porque aunque cuando mientras si pues"),
    "it": _set("e ma o perché oppure mentre quando se anche"),
    "pt": _set("e mas ou porque enquanto embora quando se"),
    "nl": _set("en maar of omdat want terwijl wanneer als zodat"),
}
"""A clause may be spoken before these words without waiting for what they join to it. By language."""
PAIRED: Final = _set(
    "between both either neither whether zwischen sowohl entweder weder ob entre ambos ni tra fra sia tussen zowel noch"
)
"""Behind these a joining word joins two words, not two clauses."""

ADDRESS_WORDS: Final = _set(
    "www http https dot visit website web site page email e-mail mail url domain at see online address link "
    "webseite besuchen unter site courriel página correo sito pagina indirizzo e-mailadres adres"
)
"""Behind these a dot may be that of an address."""

DOTTED_ORDINALS: Final = _set("de da nb nn no fi pl cs sk hu hr sl sr et lv is")
"""Languages that write "the third" as "3."."""
