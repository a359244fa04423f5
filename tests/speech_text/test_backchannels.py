"""Words of a caller that take the floor, and those that only tell that somebody listens."""

import pytest

from trio_voice.speech_text.backchannels import MAX_LETTERS, takes_floor
from trio_voice.speech_text.languages import LANGUAGE_TAG, has_phrases, phrases_of

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "...",
        "[noise]",
        "(coughs)",
        "*laughs* <unk>",
        "♪♪",
        "uh-huh",
        "Uh huh.",
        "Mm-hmm.",
        "mhm",
        "Mmmmm",
        "hmmm",
        "Yeah.",
        "yeah, yeah, yeah",
        "Okay!",
        "OK OK",
        "O.K.",
        "Right, right.",
        "Sure — got it.",
        "I see.",
        "that's right",
        "That’s right.",
        "Ah. Okay, I see, sure.",
        "yeahhhh",
        "[noise] okay",
        "um",
        "uh",
        "Yes.",
        "Oh, wow.",
    ],
)
def test_a_listener_who_only_listens_leaves_the_floor(text):
    assert not takes_floor(text, "en-US")


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "No.",
        "wait",
        "Stop!",
        "hold on",
        "okay but wait",
        "yeah, no",
        "What?",
        "right now",
        "I see a problem",
        "Is it open?",
        "three",
        "(415) 555-0100",
        "[noise] hello",
        "sure thing boss",
        "uh, Tuesday",
        "はい、でも",
        "um I",
    ],
)
def test_words_that_say_something_take_it(text):
    assert takes_floor(text, "en-US")


@pytest.mark.parametrize("text", ["no", "Wait.", "stop", "hold on", "hang on", "Really, why?", "Tuesday?", "¿Mañana?"])
def test_a_claim_or_a_question_takes_it_however_few_the_words_are(text):
    assert takes_floor(text, "en-US", min_words=5)


def test_the_persona_says_how_many_words_it_takes():
    assert not takes_floor("Tuesday", "en-US", min_words=2)
    assert takes_floor("on Tuesday", "en-US", min_words=2)
    assert not takes_floor("okay yeah right sure", "en-US", min_words=2)


@pytest.mark.parametrize(
    "text", ["请等一下我想问别的事情", "ちょっと待ってください", "質問があります", "รอสักครู่ฉันมีคำถาม"]
)
def test_words_without_spaces_between_them_are_counted_by_their_letters(text):
    assert takes_floor(text, "en-US", min_words=2)


@pytest.mark.parametrize("text", ["好", "好的", "はい"])
def test_one_short_word_is_one(text):
    assert not takes_floor(text, "en-US", min_words=2)


def test_the_persona_adds_words_that_only_agree():
    assert takes_floor("groovy, baby", "en-US")
    assert not takes_floor("Groovy, baby! Yeah.", "en-US", ["groovy baby"])
    assert takes_floor("baby", "en-US", ["groovy baby"])


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de-DE", "Ja, genau."),
        ("de", "Ach so, verstehe."),
        ("de-AT", "natürlich"),
        ("de", "natu\u0308rlich"),
        ("fr-FR", "D’accord, très bien."),
        ("fr", "ça marche"),
        ("es-MX", "Sí, claro."),
        ("es", "si\u0301"),
        ("es", "si"),
        ("it-IT", "Sì, va bene."),
        ("pt-BR", "Tá bom, entendi."),
        ("nl-NL", "Oké, prima."),
        ("xx", "Yeah."),
    ],
)
def test_each_language_has_its_own(language, text):
    assert not takes_floor(text, language)
    assert takes_floor(f"{text} xyz", language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Nein."),
        ("de", "Moment"),
        ("fr", "Attendez"),
        ("es", "¡Espere!"),
        ("it", "Aspetti"),
        ("pt", "Não"),
        ("nl", "Wacht even"),
    ],
)
def test_each_language_has_its_claims(language, text):
    assert takes_floor(text, language)
    assert takes_floor(text, language, min_words=4)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_both_agrees_and_claims(language):
    phrases = phrases_of(language)
    assert has_phrases(language)
    for phrase in phrases.backchannels:
        assert not takes_floor(phrase, language)
    for phrase in phrases.claims:
        assert takes_floor(phrase, language, min_words=9)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_enough_fillers_that_none_comes_twice_running(language):
    phrases = phrases_of(language)
    assert len(set(phrases.fillers)) >= 3
    assert all((phrases.still_there, phrases.idle_goodbye, phrases.last_line, phrases.farewells))


def test_a_text_that_no_listener_would_say_takes_the_floor():
    assert takes_floor("yeah " * MAX_LETTERS, "en")
    assert not takes_floor("yeah " * (MAX_LETTERS // 5), "en")


@pytest.mark.parametrize("tag", ["en-US", "de", "pt-BR", "zh-Hant-TW", "es-419"])
def test_language_tags(tag):
    assert LANGUAGE_TAG.fullmatch(tag)


@pytest.mark.parametrize("tag", ["", "english", "en_US", "e", "en-", "en-US ", "12"])
def test_what_is_no_language_tag(tag):
    assert not LANGUAGE_TAG.fullmatch(tag)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("makes", "en-US"),
        ("Okay, that", "en-US"),
        ("Preci", "nl"),
        ("D'acc", "fr"),
        ("Va", "it"),
        ("vielen", "de"),
        ("Ja, das", "de"),
        ("com cer", "pt-BR"),
    ],
)
def test_words_that_may_become_a_backchannel_take_no_floor_before_they_are_over(text, language):
    assert not takes_floor(text, language, partial=True)
    assert takes_floor(text, language)


@pytest.mark.parametrize("text", ["No", "what", "okay but", "Sure, can", "makes no", "that?", "Tuesday"])
def test_words_that_cannot_take_it_at_once(text):
    assert takes_floor(text, "en-US", partial=True)
