"""Phrases of each language: the lines that an agent says by itself, and the words by which a listener agrees.

A language is named by a BCP 47 tag such as ``en-US``; only its first part, ``en``, chooses the phrases.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-[A-Za-z0-9]{4,8})*")
"""As much of BCP 47 as names a spoken language: ``de``, ``pt-BR``, ``zh-Hant-TW``, ``es-419``."""


@attrs.frozen(kw_only=True)
class Phrases:
    """Phrases to say, and to listen for, in one language. Words to listen for are in lower case."""

    fillers: tuple[str, ...]
    """While an answer is owed and does not come."""
    still_there: str
    """To a caller who has been silent for long."""
    idle_goodbye: str
    """Before hanging up on a caller who stayed silent."""
    goodbye: str
    """Before hanging up on a caller who may be in the middle of a sentence. Three seconds at most."""
    last_line: str
    """Last resort: the conversation cannot go on. Four seconds at most: the call is over after six, and a model that
    was lost is tried again for one of them."""
    backchannels: tuple[str, ...]
    """Words that tell only that somebody listens: they do not take the floor."""
    farewells: tuple[str, ...]
    """Words that answer a goodbye, and do not take it back."""
    claims: tuple[str, ...]
    """Words that take the floor at once, however few they are."""
    choices: tuple[str, ...]
    """Words of a sentence that offers a choice, which callers make by repeating it."""


def _listed(phrases: str) -> tuple[str, ...]:
    """The phrases between the commas."""
    return tuple(" ".join(phrase.split()) for phrase in phrases.split(","))


_EN: Final = Phrases(
    fillers=("One moment, please.", "I am still on it, just a moment.", "Thank you for waiting, nearly there."),
    still_there="Are you still there?",
    idle_goodbye="I cannot hear you, so I will hang up now. Goodbye.",
    goodbye="I have to end our call now. Goodbye.",
    last_line="Sorry, we have a problem. Please call again later.",
    backchannels=_listed("""
        yeah, yes, yep, yup, ya, yea, okay, ok, okey, k, okie dokie, alright, all right, right, sure, sure
        thing, of course, certainly, definitely, absolutely, exactly, indeed, true, correct, fine, good,
        great, nice, cool, perfect, excellent, awesome, wow, wonderful, lovely, gotcha, got it, got you, i
        see, i got it, i understand, understood, i know, makes sense, that makes sense, that's right, that is
        right, that's fine, that's good, that's great, sounds good, sounds great, fair enough, no problem, no
        worries, go on, go ahead, uh, um, er, ah, oh, aha, mm, hm, mhm, huh, uh huh, mm hmm, thanks, thank
        you, very good, very well, so, well, and, i guess, i think so, really, interesting, yes sir, yes ma'am
    """),
    farewells=_listed("""
        bye, bye bye, goodbye, good bye, good night, see you, see ya, see you later, take care, you too, same
        to you, have a nice day, have a good day, have a great day, have a good one, thanks, thanks a lot,
        thank you so much, thank you very much, talk to you later, cheers, that's all, no thanks, no thank you
    """),
    claims=_listed("""
        no, nope, nah, wait, stop, hold on, hang on, hey, hello, excuse me, sorry, pardon, what, why, who,
        where, when, how, which, help, actually, but, never mind, cancel, quiet, repeat, again, operator,
        human, agent, not, don't, one second, one moment, just a second, slow down, shut up
    """),
    choices=_listed("or, either, which, whether"),
)
_DE: Final = Phrases(
    fillers=(
        "Einen Moment, bitte.",
        "Ich bin noch dabei, einen Augenblick.",
        "Danke für Ihre Geduld, gleich habe ich es.",
    ),
    still_there="Sind Sie noch da?",
    idle_goodbye="Ich kann Sie nicht hören und lege jetzt auf. Auf Wiederhören.",
    goodbye="Ich muss unser Gespräch jetzt beenden. Auf Wiederhören.",
    last_line="Hier ist etwas gestört. Bitte rufen Sie später an.",
    backchannels=_listed("""
        ja, jo, jep, jawohl, genau, okay, ok, okey, alles klar, klar, gut, sehr gut, schön, prima, super,
        toll, perfekt, richtig, stimmt, das stimmt, natürlich, sicher, gerne, gern, einverstanden, in ordnung,
        ach so, achso, ach ja, aha, ah, oh, äh, ähm, hm, mhm, mm, verstehe, ich verstehe, verstanden, ich
        weiß, weiß ich, na klar, na gut, naja, so, eben, danke, vielen dank, danke schön, wirklich,
        interessant, passt, das passt, kein problem, und, ach
    """),
    farewells=_listed("""
        tschüss, tschüs, ciao, auf wiederhören, auf wiedersehen, wiederhören, wiedersehen, bis bald, bis dann,
        bis morgen, schönen tag, schönen tag noch, einen schönen tag, einen schönen tag noch, ihnen auch,
        gleichfalls, ebenfalls, ebenso, danke ebenfalls, danke gleichfalls, mach's gut, gute nacht, das war's,
        nein danke
    """),
    claims=_listed("""
        nein, nee, ne, warte, warten sie, stopp, stop, halt, moment, einen moment, entschuldigung, verzeihung,
        hallo, was, wie, wo, wann, warum, wer, welche, welcher, welches, wieso, weshalb, hilfe, aber, doch,
        nicht, bitte, wie bitte, nochmal, noch mal, noch einmal, langsamer, ruhe, mensch, mitarbeiter,
        augenblick, sekunde
    """),
    choices=_listed("oder, entweder, welche, welcher, welches, welchen, welchem, ob"),
)
_FR: Final = Phrases(
    fillers=(
        "Un instant, s'il vous plaît.",
        "Je m'en occupe, encore un petit moment.",
        "Merci de patienter, j'y suis presque.",
    ),
    still_there="Vous êtes toujours là ?",
    idle_goodbye="Je ne vous entends pas, je vais donc raccrocher. Au revoir.",
    goodbye="Je dois mettre fin à notre appel. Au revoir.",
    last_line="Désolé, nous avons un problème. Rappelez plus tard. Au revoir.",
    backchannels=_listed("""
        oui, ouais, ouai, mouais, si, d'accord, dac, ok, okay, okey, bien, très bien, bon, ah bon, parfait,
        super, génial, exactement, exact, tout à fait, c'est ça, voilà, entendu, compris, j'ai compris, je
        vois, je comprends, je sais, bien sûr, absolument, certainement, c'est vrai, vrai, ça marche, ça va,
        ah, oh, euh, heu, hein, hm, mm, mhm, aha, merci, merci beaucoup, vraiment, intéressant, pas de
        problème, pas de souci, effectivement, en effet, alors, et, bah, ben, ah oui, ah d'accord
    """),
    farewells=_listed("""
        au revoir, salut, adieu, à bientôt, à plus, à plus tard, à demain, bonne journée, bonne soirée, bonne
        nuit, bonne fin de journée, vous aussi, à vous aussi, pareillement, de même, merci à vous, merci bien,
        c'est tout, non merci, ciao
    """),
    claims=_listed("""
        non, nan, attendez, attends, stop, arrêtez, arrête, un moment, un instant, une seconde, pardon,
        excusez moi, excuse moi, désolé, désolée, allô, allo, bonjour, quoi, comment, pourquoi, où, quand,
        qui, quel, quelle, combien, aide, au secours, mais, pas, répétez, encore, plus lentement, en fait
    """),
    choices=_listed("ou, soit, quel, quelle, quels, quelles, lequel, laquelle"),
)
_ES: Final = Phrases(
    fillers=("Un momento, por favor.", "Sigo en ello, un momentito.", "Gracias por esperar, ya casi lo tengo."),
    still_there="¿Sigue usted ahí?",
    idle_goodbye="No le oigo, así que voy a colgar. Adiós.",
    goodbye="Tengo que terminar la llamada. Adiós.",
    last_line="Lo siento, tenemos un problema. Llame más tarde.",
    backchannels=_listed("""
        sí, sip, ajá, aja, ok, okay, okey, vale, bueno, bien, muy bien, claro, claro que sí, por supuesto, de
        acuerdo, perfecto, exacto, exactamente, correcto, cierto, es cierto, así es, eso es, eso, entiendo,
        entendido, ya, ya veo, ya entiendo, comprendo, lo sé, ya lo sé, desde luego, genial, estupendo,
        excelente, listo, dale, órale, ándale, ah, oh, eh, em, hm, mm, mhm, gracias, muchas gracias, de
        verdad, interesante, sin problema, no hay problema, y, pues, ah sí, ah vale
    """),
    farewells=_listed("""
        adiós, chao, chau, hasta luego, hasta pronto, hasta mañana, hasta la vista, nos vemos, buen día,
        buenas noches, buenas tardes, que tenga buen día, que tenga un buen día, igualmente, a usted, usted
        también, cuídese, eso es todo, no gracias, nada más
    """),
    claims=_listed("""
        no, espere, espera, un momento, un segundo, pare, para, alto, basta, perdón, perdone, disculpe,
        disculpa, oiga, oye, hola, qué, cómo, cuándo, dónde, quién, cuál, cuánto, por qué, ayuda, pero,
        repita, otra vez, más despacio, en realidad
    """),
    choices=_listed("o, u, cuál, cuáles, qué"),
)
_IT: Final = Phrases(
    fillers=("Un momento, per favore.", "Ci sto ancora lavorando, un attimo.", "Grazie per l'attesa, ci sono quasi."),
    still_there="È ancora in linea?",
    idle_goodbye="Non la sento, quindi ora riaggancio. Arrivederci.",
    goodbye="Devo chiudere la chiamata. Arrivederci.",
    last_line="Mi dispiace, c'è un problema. Richiami più tardi.",
    backchannels=_listed("""
        sì, già, ok, okay, okey, va bene, bene, molto bene, benissimo, certo, certamente, esatto, esattamente,
        giusto, perfetto, d'accord, d'accordo, capito, ho capito, capisco, vedo, lo so, chiaro, è chiaro, è
        vero, vero, infatti, ottimo, bravo, brava, fantastico, naturalmente, sicuro, ah, oh, eh, ehm, hm, mm,
        mhm, aha, grazie, grazie mille, davvero, interessante, nessun problema, e, allora, ah sì, ah ok, ecco,
        così
    """),
    farewells=_listed("""
        arrivederci, ciao, addio, a presto, a domani, a dopo, buona giornata, buona serata, buonanotte, buona
        notte, altrettanto, anche a lei, anche a te, grazie a lei, è tutto, no grazie, nient'altro
    """),
    claims=_listed("""
        no, aspetti, aspetta, un momento, un attimo, un secondo, fermo, fermi, stop, basta, scusi, scusa, mi
        scusi, pronto, salve, cosa, come, quando, dove, chi, quale, quanto, perché, aiuto, ma, non, ripeta, di
        nuovo, ancora, più piano, in realtà
    """),
    choices=_listed("o, oppure, ovvero, quale, quali"),
)
_PT: Final = Phrases(
    fillers=("Um momento, por favor.", "Ainda estou vendo isso, só um instante.", "Obrigado por esperar, está quase."),
    still_there="Ainda está aí?",
    idle_goodbye="Não consigo ouvir, por isso vou desligar. Até logo.",
    goodbye="Tenho de terminar a chamada. Até logo.",
    last_line="Desculpe, temos um problema. Ligue mais tarde.",
    backchannels=_listed("""
        sim, é, tá, tá bom, tá bem, está bem, está bom, ok, okay, okey, certo, claro, com certeza, isso, isso
        mesmo, exato, exatamente, correto, perfeito, bom, bem, muito bem, ótimo, legal, beleza, entendi,
        entendo, entendido, percebo, percebi, já vi, eu sei, sei, verdade, é verdade, pois, pois é, pois sim,
        de acordo, combinado, tranquilo, aham, ahã, ah, oh, eh, hm, mm, mhm, uhum, obrigado, obrigada, muito
        obrigado, muito obrigada, sério, interessante, sem problema, e, então
    """),
    farewells=_listed("""
        tchau, adeus, até logo, até mais, até breve, até amanhã, bom dia, boa tarde, boa noite, tenha um bom
        dia, igualmente, para você também, você também, é só isso, é tudo, não obrigado, não obrigada, mais
        nada
    """),
    claims=_listed("""
        não, espere, espera, um momento, um instante, um segundo, pare, para, chega, desculpe, desculpa, com
        licença, perdão, alô, olá, oi, o quê, que, quê, como, quando, onde, quem, qual, quanto, por que,
        porquê, ajuda, mas, repita, de novo, outra vez, mais devagar, na verdade
    """),
    choices=_listed("ou, qual, quais"),
)
_NL: Final = Phrases(
    fillers=(
        "Een ogenblik, alstublieft.",
        "Ik ben er nog mee bezig, een momentje.",
        "Bedankt voor het wachten, bijna klaar.",
    ),
    still_there="Bent u er nog?",
    idle_goodbye="Ik kan u niet horen en hang nu op. Tot ziens.",
    goodbye="Ik moet ons gesprek nu beëindigen. Tot ziens.",
    last_line="Sorry, er is een storing. Belt u later nog eens.",
    backchannels=_listed("""
        ja, jaja, jep, oké, oke, ok, okay, goed, heel goed, prima, mooi, fijn, top, precies, juist, klopt, dat
        klopt, inderdaad, zeker, natuurlijk, tuurlijk, begrepen, ik begrijp het, begrijp ik, snap ik, ik snap
        het, ik weet het, weet ik, akkoord, in orde, duidelijk, helder, is goed, dat is goed, ah, oh, o, eh,
        uh, uhm, hm, mm, mhm, aha, dank u, dank u wel, dank je wel, bedankt, echt, interessant, geen probleem,
        en, nou, dus, o ja, ach ja
    """),
    farewells=_listed("""
        dag, doei, doeg, tot ziens, tot horens, tot later, tot morgen, fijne dag, fijne dag nog, nog een fijne
        dag, prettige dag, fijne avond, goedenavond, insgelijks, u ook, jij ook, hetzelfde, dat was het, nee
        dank u, nee bedankt
    """),
    claims=_listed("""
        nee, nee hoor, wacht, wacht even, stop, ho, momentje, een moment, sorry, pardon, hallo, wat, hoe,
        waar, wanneer, wie, welke, waarom, hoeveel, help, maar, niet, herhaal, nog een keer, nogmaals,
        langzamer, eigenlijk, even wachten
    """),
    choices=_listed("of, ofwel, welke, welk"),
)

_PHRASES: Final = {"en": _EN, "de": _DE, "fr": _FR, "es": _ES, "it": _IT, "pt": _PT, "nl": _NL}


def has_phrases(language: str) -> bool:
    """True if this language has phrases of its own."""
    return primary(language) in _PHRASES


def phrases_of(language: str) -> Phrases:
    """The phrases of a language; English ones for a language without its own (``check`` warns of it)."""
    return _PHRASES.get(primary(language), _EN)


def primary(language: str) -> str:
    """The language of a tag without script and region: ``de`` of ``de-AT``."""
    return language.partition("-")[0].lower()
