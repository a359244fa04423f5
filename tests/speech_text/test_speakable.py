"""Writing for the eye never reaches a voice; what it means does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speech_text.torture import ratio_of_twice
from trio_voice.speech_text.speakable import speakable
from trio_voice.speech_text.stage_directions import is_stage_direction


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("We are open.", "We are open."),
        ("  We\u00a0are   open. ", "We are open."),
        ("**Hello** there, *very* __nice__ and _fine_.", "Hello there, very nice and fine."),
        ("***Both***, ~~gone~~, `code` and ==marked==", "Both, gone, code and marked"),
        ("**bo", "bo"),
        ("ld** it is", "ld it is"),
        ("# Our menu\nWe bake.", "Our menu. We bake."),
        ("Our hours:\n\n- Monday\n- Tuesday, from nine\n", "Our hours: Monday. Tuesday, from nine."),
        ("* one\n+ two\n• three", "one. two. three"),
        ("- [x] done", "done"),
        ("1. Bread\n2. Milk\n", "1, Bread. 2, Milk."),
        ("3) Eggs", "3, Eggs"),
        ("| Day | Hours |\n|-----|:-----:|\n| Monday | 9 to 5 |", "Day, Hours. Monday, 9 to 5"),
        ("Before.\n---\nAfter.", "Before. After."),
        ("> They said so.\n> Twice.", "They said so. Twice."),
        ("```python\nprint(1)\n```", "print(1)."),
        ("See [our site](https://x.com/a?b=c#d) now.", "See our site now."),
        ("As they say.[1][2] And more.[^3][4]", "As they say. And more."),
        ("It is $$E = mc^2$$ here.", "It is E equals mc to the power of 2 here."),
        ("In C# or F#, a + b, 10+ years", "In C sharp or F sharp, a plus b, 10 plus years"),
        (
            "≥5, ≤ 3, ±2, ≈5, <5 min, >10%",
            "at least 5, at most 3, plus or minus 2, about 5, less than 5 min, greater than 10%",
        ),
        ("See [the page][1] and [that one](/a 'title').", "See the page and that one."),
        ("![a loaf](loaf.png) and ![](x.png) more", "a loaf and more"),
        ("As they say [1], it is so.[^2] 【3†source】", "As they say, it is so."),
        ("](https://x.com/torn) and on", "and on"),
        ("<b>Bold</b> and <br/>new &amp; old &lt;3", "Bold and new and old"),
        ("Hello <break time='1s'/> there", "Hello there"),
        ("Hello 😀👍🏽 there 👨\u200d👩\u200d👧 1️⃣ ✅ ❤️ 🇩🇪.", "Hello there 1."),
        ("Great :) See you :-D ;-) <3", "Great See you"),
        ("Open 9:30 to 10:00; see :)", "Open 9:30 to 10:00; see"),
        ("*smiles* Hello *laughs softly*", "Hello"),
        ("(Thinking: they ask when.) At five.", "At five."),
        ("Hello :smile: there, it is 10:30:15 :thumbs_up:", "Hello there, it is 10:30:15"),
        ("Press *2* for b, or dial *67*.", "Press 2 for b, or dial star 67 star."),
        ("As told (see [3]), it is so.", "As told, it is so."),
        ("\\textbf{Two} \\geq 1, \\approx 5, 3 \\leq 4, 50\\% off", "Two at least 1, about 5, 3 at most 4, 50% off"),
        ("\U0001d401\U0001d428\U0001d425\U0001d41d and \uff26\uff35 and \ufb01ne", "Bold and FU and fine"),
        ("(laughs) Sure. [pause] Well, (clears throat) yes.", "Sure. Well, yes."),
        ("*A warm smile* Hi.", "A warm smile Hi."),
        ("I *really* think so (Monday to Friday).", "I really think so (Monday to Friday)."),
        ("*lächelt* Guten Tag. (rit)", "Guten Tag."),
        ("#5 is order_number 7", "number 5 is order number 7"),
        ("#happy days", "happy days"),
        ("Salt & pepper, R&D", "Salt and pepper, R and D"),
        ("3 * 4 and 3*4", "3 × 4 and 3 × 4"),
        ("a < b and 5 > 3", "a less than b and 5 greater than 3"),
        ("It costs $3.50, at 50% off, ~5 left.", "It costs $3.50, at 50% off, about 5 left."),
        ("It is -5 degrees, on 1,000.50 days.", "It is -5 degrees, on 1,000.50 days."),
        ("-5 degrees", "-5 degrees"),
        ("Call (555) 123-4567.", "Call (555) 123-4567."),
        ("Well... I see… yes", "Well... I see… yes"),
        ("Nice!!!! *Really*???", "Nice! Really?"),
        ("¿Qué tal? ¡Hola!", "¿Qué tal? ¡Hola!"),
        ("“Hi,” she said.", "“Hi,” she said."),
        ("Go to Settings > General > Privacy.", "Go to Settings, General, Privacy."),
        ("Monday -> Friday → Sunday", "Monday, Friday, Sunday"),
        ("2+2=4, x = 5, ==marked==", "2+2 equals 4, x equals 5, marked"),
        ("10^3 is 1000", "10 to the power of 3 is 1000"),
        ("So: ```python\nprint(1)\n```", "So: print(1)."),
        ("We use .NET here.", "We use .NET here."),
        ("H~2~O, ~5 left", "H2O, about 5 left"),
        (r"Take $\frac{1}{2}$ of it, or $3 \times 4$.", "Take 1/2 of it, or 3 × 4."),
        (r"It is \$5, or $6.", "It is $5, or $6."),
        ('He said **"no"** , twice .', 'He said "no", twice.'),
        ("\x00A\u200bB\u00ad\ufeffC\ud800", "ABC"),
        ("你好。*我们* 开门。", "你好。我们 开门。"),
    ],
)
def test_what_is_written_for_the_eye_is_left_out_or_said(written, spoken):
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    "written", ["", "...", "**", "😀", "*sighs*", "---", "** **", "(😀)", "|---|---|", "```", "?!", "]("]
)
def test_a_text_without_a_word_is_nothing(written):
    assert speakable(written) == ""


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Go to https://www.example.com/menu/.", "Go to example dot com slash menu."),
        ("Go to http://example.com/a?utm=1#top now", "Go to example dot com slash a now"),
        (f"Go to https://example.com/{'long/' * 20}", "Go to example dot com"),
        ("Write to info@juniper-bakery.co.uk, please", "Write to info at juniper dash bakery dot co dot uk, please"),
        ("a_b@example.com!", "a underscore b at example dot com!"),
        ("<https://x.org> or <me@x.org>", "x dot org or me at x dot org"),
        ("**www.example.com**", "example dot com"),
        ("juniperbakery.com is it", "juniperbakery dot com is it"),
        ("Node.js and 3.50 and e.g. this", "Node.js and 3.50 and e.g. this"),
    ],
)
def test_addresses_are_said_as_people_say_them(written, spoken):
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("language", "spoken"),
    [
        ("de-DE", "info ät example Punkt de und mehr"),
        ("fr", "info arobase example point de et mehr"),
        ("es-MX", "info arroba example punto de y mehr"),
        ("it", "info chiocciola example punto de e mehr"),
        ("pt-BR", "info arroba example ponto de e mehr"),
        ("nl", "info apenstaartje example punt de en mehr"),
        ("xx", "info at example dot de and mehr"),
    ],
)
def test_signs_are_said_in_the_personas_language(language, spoken):
    assert speakable("info@example.de & mehr", language) == spoken


@given(st.text("ab *_`#[]()<>|~.!-\n1:/@&😀\\", max_size=60))
def test_no_markup_comes_through_however_it_is_torn(text):
    spoken = speakable(text)
    assert not set(spoken) & set("*_`#|~<>[]\\😀\n")
    assert spoken == "" or any(letter.isalnum() for letter in spoken)


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en-US", "Press * to go back, or # to hear it again.", "Press star to go back, or pound to hear it again."),
        ("en-GB", "Press `#`, then \\*.", "Press hash, then star."),
        ("en-US", "Dial *67 or #31#.", "Dial star 67 or pound 31 pound."),
        ("de", "Drücken Sie * oder #.", "Drücken Sie Stern oder Raute."),
        ("fr", "Appuyez sur #.", "Appuyez sur dièse."),
        ("es", "Pulse *.", "Pulse asterisco."),
        ("it", "Prema #.", "Prema cancelletto."),
        ("pt", "Tecle #.", "Tecle cerquilha."),
        ("nl", "Toets #.", "Toets hekje."),
        ("en-US", "Options: * one * two", "Options: one two"),
        ("en-US", "free* delivery, *only today*", "free delivery, only today"),
        ("en-US", "**50** off, *20 percent*", "50 off, 20 percent"),
        ("en-US", "Our hours: # Monday", "Our hours: Monday"),
    ],
)
def test_keys_of_a_telephone_are_named(language, written, spoken):
    assert speakable(written, language) == spoken


@pytest.mark.parametrize("aside", ["smiles", "laughs softly", "a long pause", "clears throat", "Sighs.", "she nods"])
def test_stage_directions(aside):
    assert is_stage_direction(aside)


@pytest.mark.parametrize("aside", ["very", "Monday to Friday", "2 pauses", "", "by the way he smiles at her"])
def test_what_is_no_stage_direction(aside):
    assert not is_stage_direction(aside)


TORTURES = [".", "*", "*a ", "[", "[a](", "<a", "(a ", "a@b.", "a", "a.", "a_", "\n", "|", "| a ", " ", "`", "- ", "www.", "#",  # noqa: E501 - one glance
            "! ", ", ", "> ", "😀\u200d", "a-", "=-|", '" ', "&amp;", "![", "1. ", "(:", "_a_ ", "](/"]  # fmt: skip


@pytest.mark.parametrize("piece", TORTURES)
def test_the_time_is_linear_in_the_text(piece):
    assert ratio_of_twice(lambda times: speakable(piece * times), 8_000) < 3
