"""Places where an answer is cut into pieces to be spoken."""

import re
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.speech_text.torture import ratio_of_twice
from trio_voice.chain.sentences import LONGEST_LETTERS, MAX_LETTERS, Sentences


def pieces_of(*texts, language="en-US"):
    sentences = Sentences(language)
    pieces = [piece for text in texts for piece in sentences.add(text)]
    return [*pieces, *filter(None, [sentences.rest()])]


def stripped(pieces):
    return [piece.strip() for piece in pieces]


def tokens_of(text):
    """About what a language model makes of a text: words with the space before them, and signs, each a token."""
    return re.findall(r"[^\w\r\n]?[^\W\d_]+(?:['’][^\W\d_]+)?| ?\d{1,3}| ?[^\w\s]+|\s+", text)


CUTS = [
    ("Yes. We are open.", ["Yes.", "We are open."]),
    (
        "Our shop is open today, and it is open tomorrow, too. Good.",
        ["Our shop is open today,", "and it is open tomorrow, too.", "Good."],
    ),
    ("Well, that is fine", ["Well, that is fine"]),
    ("It costs 3.50 in all, or 1,000 for the lot", ["It costs 3.50 in all,", "or 1,000 for the lot"]),
    ('She said "Stop!" and left', ['She said "Stop!" and left']),
    ('She said "Stop." Then she left', ['She said "Stop."', "Then she left"]),
    ("One line\nanother", ["One line", "another"]),
    # Abbreviations
    ("Dr. Okafor, Mrs. Lee of St. Mary", ["Dr. Okafor,", "Mrs. Lee of St. Mary"]),
    ("We open at 9 a.m. and close at 5 p.m. Would you come?", ["We open at 9 a.m. and close at 5 p.m.", "Would you come?"]),  # noqa: E501 - one case a line
    ("At 9 a.m. Monday", ["At 9 a.m. Monday"]),
    ("Prof. Smith of the U.S. Army has approx. five", ["Prof. Smith of the U.S. Army has approx. five"]),
    ("Acme Inc. is on Elm Ave. near J. R. Smith etc. or so", ["Acme Inc. is on Elm Ave. near J. R. Smith etc.", "or so"]),  # noqa: E501 - one case a line
    ("Bread, rolls etc. We bake daily.", ["Bread, rolls etc.", "We bake daily."]),
    ("Use flour, e.g. rye, i.e. dark. Fine", ["Use flour,", "e.g. rye, i.e. dark.", "Fine"]),
    ("No. We are closed. No. 5 is not.", ["No.", "We are closed.", "No. 5 is not."]),
    ("So do I. What now?", ["So do I.", "What now?"]),
    ("Our dept. is closed on Mon. to Sat. evening", ["Our dept. is closed on Mon. to Sat. evening"]),
    ("They sat. We stood.", ["They sat.", "We stood."]),
    # Numbers
    ("1. Bread\n2. Milk\n10. Eggs", ["1. Bread", "2. Milk", "10. Eggs"]),
    ("Options: 1. Bread 2. Milk 3. Eggs. Which one?", ["Options: 1. Bread 2. Milk 3. Eggs.", "Which one?"]),
    ("It is 5. Would you come?", ["It is 5.", "Would you come?"]),
    ("Born on Jan 1, 1980. Fine.", ["Born on Jan 1, 1980.", "Fine."]),
    ("At 9:30 on 1.2.2026, we meet", ["At 9:30 on 1.2.2026,", "we meet"]),
    ("Call (555) 123-4567. Thanks.", ["Call (555) 123-4567.", "Thanks."]),
    # Ellipses and marks
    ("Well... maybe. Hmm... Yes.", ["Well... maybe.", "Hmm...", "Yes."]),
    ("Wait... iPhones are sold out. Sorry.", ["Wait... iPhones are sold out.", "Sorry."]),
    ('"Sold out?" iPhone fans ask. Yes.', ['"Sold out?" iPhone fans ask.', "Yes."]),
    ("Wait… what? Really?! Yes!", ["Wait… what?", "Really?!", "Yes!"]),
    ("... Hello. ?! Bye.", ["... Hello.", "?! Bye."]),
    ("It is 3. – Yes. Ok", ["It is 3.", "– Yes.", "Ok"]),
    ("Take bus 112. 3rd stop. Ok", ["Take bus 112. 3rd stop.", "Ok"]),
    ("It is 4 m and not ². Ok", ["It is 4 m and not ².", "Ok"]),
    # Markup is not torn
    ("**Open.** Now.", ["**Open.**", "Now."]),
    ("See [our page. Now](http://x.com/a. b) please. Ok", ["See [our page. Now](http://x.com/a. b) please.", "Ok"]),
    ("We are (mostly. Always!) open. Ok", ["We are (mostly. Always!) open.", "Ok"]),
    ("*smiles. Warmly* Hello there. Ok", ["*smiles. Warmly* Hello there.", "Ok"]),
    ("A <b title='x. Y'>bold</b> word. Ok", ["A <b title='x. Y'>bold</b> word.", "Ok"]),
    ("aa < bb. Then c", ["aa < bb.", "Then c"]),
    ("Visit www.example.com. Or example.org! Bye", ["Visit www.example.com.", "Or example.org!", "Bye"]),
    # Joining words
    ("Our bakery is open from nine to five and on Sunday until noon", ["Our bakery is open from nine to five", "and on Sunday until noon"]),  # noqa: E501 - one case a line
    ("We are open between nine in the morning and noon", ["We are open between nine in the morning and noon"]),
    ("Salt and pepper", ["Salt and pepper"]),
    ("  ", []),
    ("... !", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pieces"), CUTS)
def test_pieces(text, pieces):
    assert stripped(pieces_of(text)) == pieces
    assert stripped(pieces_of(*tokens_of(text))) == pieces


@pytest.mark.parametrize(("text", "pieces"), CUTS)
def test_pieces_letter_by_letter(text, pieces):
    assert stripped(pieces_of(*text)) == pieces


@pytest.mark.parametrize(
    ("language", "text", "pieces"),
    [
        ("de", "Am 3. Mai z. B. um neun, d.h. früh. Gut.", ["Am 3. Mai z. B. um neun,", "d.h. früh.", "Gut."]),
        ("de", "Brot, Semmeln usw. Wir backen ca. um 4.", ["Brot, Semmeln usw.", "Wir backen ca. um 4."]),
        ("de", "Hr. Dr. Huber wohnt in Nr. 5. Ja.", ["Hr. Dr. Huber wohnt in Nr. 5. Ja."]),
        ("de", "Unser Laden hat heute geöffnet und morgen auch", ["Unser Laden hat heute geöffnet", "und morgen auch"]),
        ("es", "El Sr. López y la Sra. Ruiz, p.ej. hoy. ¿Sí?", ["El Sr. López y la Sra. Ruiz,", "p.ej. hoy.", "¿Sí?"]),
        ("fr", "M. Dupont et Mme. Blanc sont là. Bien.", ["M. Dupont et Mme. Blanc sont là.", "Bien."]),
        ("ja", "はい。「開いています。」どうぞ\uff01", ["はい。", "「開いています。」", "どうぞ\uff01"]),
        ("hi", "नमस्ते। हम खुले हैं।", ["नमस्ते।", "हम खुले हैं।"]),
        ("ar", "كيف حالك؟ نعم.", ["كيف حالك؟", "نعم."]),
    ],
)
def test_pieces_in_other_languages(language, text, pieces):
    assert stripped(pieces_of(text, language=language)) == pieces
    assert stripped(pieces_of(*tokens_of(text), language=language)) == pieces


@pytest.mark.parametrize(
    ("tokens", "piece"),
    [
        (["Yes", "."], "Yes."),
        (["Really", "?"], "Really?"),
        (["We", " are", " open", "."], "We are open."),
        (["Of", " course", ","], "Of course,"),
        (["Good", " morning", " —"], "Good morning —"),
    ],
)
def test_a_piece_goes_out_with_its_last_token(tokens, piece):
    sentences = Sentences()
    assert [out for token in tokens for out in sentences.add(token)] == [piece + " "]


@pytest.mark.parametrize(
    "tokens",
    [
        ["It", " is", " 3", "."],
        ["At", " 9", " a", ".m", "."],
        ["Ask", " Dr", "."],
        ["Well", "..."],
        ["Our", " total", " is", " 1", ","],
        ["Visit", " juniper", "."],
        ["Write", " to", " me", "@example", "."],
        ["She", " said", ' "', "stop", "."],
        ["She", " said", " “", "stop", "."],
        ["It", " is", " 3", ".", ' "'],
        ["See", " [", "us", "]"],
        ["a", "b", "c", "."],
    ],
)
def test_a_piece_waits_where_what_follows_may_change_its_end(tokens):
    sentences = Sentences()
    assert [out for token in tokens for out in sentences.add(token)] == []


@given(st.lists(st.text("ab .,!\n*[]()<>1A", max_size=50), max_size=20))
def test_no_letter_is_lost_and_none_is_said_twice(texts):
    spoken = "".join("".join(pieces_of(*texts)).split())
    assert re.sub(r"[^ab1A]", "", spoken) == re.sub(r"[^ab1A]", "", "".join(texts))


@given(st.lists(st.text("ab .,!?…*[]()<>😀\n", max_size=50), max_size=20))
def test_nothing_without_a_word_is_spoken(texts):
    assert all(any(letter.isalnum() for letter in piece) for piece in pieces_of(*texts))


@pytest.mark.parametrize(
    "text", ["We open Mon–Fri 9am–5pm today.", "We are open from 9:00 – 17:00 today.", "It takes 10 — 15 days."]
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_no_range_is_torn(text, size):
    sentences = Sentences()
    pieces = [piece for at in range(0, len(text), size) for piece in sentences.add(text[at : at + size])]
    assert [*pieces, *filter(None, [sentences.rest()])] in ([text], [f"{text} "])


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "See fig. 3 and sec. 4 of the manual."),
        ("de", "Dr. med. Müller ist da."),
        ("de", "Wir haben am 24.12. geschlossen."),
        ("de", "In der Max-Planck-Str. 5 sind wir."),
        ("fr", "Voici le Pr. Petit du bd. Hugo."),
        ("es", "La UE y EE. UU. son socios."),
        ("es", "Hay mucho, p. ej. la tienda."),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_no_abbreviation_ends_a_sentence_that_goes_on(language, text, size):
    sentences = Sentences(language)
    pieces = [piece for at in range(0, len(text), size) for piece in sentences.add(text[at : at + size])]
    pieces = [*pieces, *filter(None, [sentences.rest()])]
    assert not [piece for piece in pieces[:-1] if piece.rstrip().endswith(".")]


def test_a_small_letter_behind_a_dot_is_no_end():
    assert pieces_of("StageEndpoint bldg. five. It is open") == ["StageEndpoint bldg. five. ", "It is open"]
    assert pieces_of("An unheardofabbr. five. it is open") == ["An unheardofabbr. five. it is open"]


def test_a_sentence_without_an_end_is_cut_between_words():
    pieces = pieces_of("word " * 200)
    assert all(len(piece) <= LONGEST_LETTERS for piece in pieces)
    assert all(piece.endswith("word ") for piece in pieces[:-1])
    assert all(len(piece) <= LONGEST_LETTERS for piece in pieces_of("x" * 2_000)[:-1])


def test_brackets_that_nobody_closes_hold_nothing_up_for_long():
    pieces = pieces_of("So (" + "It goes on. " * 60)
    assert max(map(len, pieces)) <= LONGEST_LETTERS
    assert len(pieces) > 30


def test_an_answer_has_a_bound():
    pieces = pieces_of("Word. " * MAX_LETTERS)
    assert sum(map(len, pieces)) <= MAX_LETTERS
    assert pieces_of(*["Word. "] * 4_000) == pieces


@pytest.mark.parametrize(
    ("delta", "deltas"),
    [
        pytest.param("." * 10_000, 1, id="many dots"),
        pytest.param(".", 20_000, id="dot by dot"),
        pytest.param("Word. " * 80_000, 1, id="many sentences"),
        pytest.param("x" * 100_000, 1, id="one word"),
        pytest.param("x", 5_000, id="one word by letters"),
        pytest.param(". ", 5_000, id="ends of nothing"),
        pytest.param("[(" * 5_000, 1, id="brackets"),
        pytest.param("*a ", 3_000, id="stars"),
        pytest.param(", " * 5_000, 1, id="commas"),
        pytest.param("“and ", 2_000, id="quotes"),
        pytest.param(" " * 9_000, 1, id="spaces"),
        pytest.param("\n", 5_000, id="line by line"),
    ],
)
def test_the_time_is_linear_in_the_text(delta, deltas):
    """Twice as long where there is one delta, else twice as many."""
    if deltas == 1:
        assert ratio_of_twice(lambda times: pieces_of(delta * times), 1) < 3
    else:
        assert ratio_of_twice(lambda times: pieces_of(*[delta] * (deltas * times)), 1) < 3


REPLIES = [
    "Yes, we are open today until six in the evening.",
    "Of course! What time would suit you?",
    "Our opening hours are Tuesday to Saturday from seven in the morning to six in the evening.",
    "I am sorry, but we are closed on Sundays and Mondays.",
    "Certainly, I can help you with that. May I have your name, please?",
    "Your order number 4711 is in the oven and will be ready in about twenty minutes.",
    "Thank you for calling Juniper Bakery. How can I help you today?",
    "Let me check that for you.",
    "The sourdough costs $6.50, and the focaccia is $8.",
    "Great, I have booked a table for four at 7:30 p.m. on Friday.",
    "Unfortunately we do not deliver, but you can pick your order up at the counter.",
    "I understand. Would you like to speak with the baker?",
    "That would be three loaves of rye bread and two croissants, is that right?",
    "You can reach us at info@juniper.example.com or by telephone.",
    "Dr. Okafor has an opening tomorrow at ten, if that works for you.",
    "No problem at all, I will cancel your appointment.",
    "We have several kinds of bread, such as rye, spelt and sourdough.",
    "The appointment takes approximately forty five minutes because the doctor examines both eyes.",
    "Sure thing! Which day would you prefer?",
    "It looks like your package left the warehouse on Monday and should arrive by Thursday.",
    "Good question. Our gluten free loaf is baked in a separate oven.",
    "If you like, I can put you through to a colleague who knows more about it.",
    "All of our pastries are made fresh every morning with local butter.",
    "I could not find that order. Could you read the number to me again?",
    "The total comes to forty two dollars and fifty cents.",
    "You are welcome, and have a lovely day!",
    "Our technician will call you between nine and eleven tomorrow morning.",
    "To reset your password, open the settings page and choose security.",
    "My apologies for the trouble. I will send you a new link right away.",
    "We are located at 12 Elm Street, right next to the library.",
]


def tokens_until_the_first_piece(reply):
    sentences = Sentences()
    tokens = tokens_of(reply)
    return next((at for at, token in enumerate(tokens, start=1) if sentences.add(token)), len(tokens))


def test_the_first_piece_of_a_reply_comes_after_few_tokens():
    counts = sorted(map(tokens_until_the_first_piece, REPLIES))
    assert statistics.mean(counts) <= 8.5
    assert counts[round(len(counts) * 0.9) - 1] <= 13
    assert counts[-1] <= 20


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Fa. Meier liefert lt. Plan die Ware aus."),
        ("de", "Wir haben z. Zt. keine Termine frei."),
        ("fr", "MM. Durand et Petit sont ici."),
        ("fr", "Le 5 janv. et le 3 févr. sont pris."),
        ("es", "Abrimos de lun. a vie. todo el año."),
        ("es", "Dña. María y Juan viven en Roma."),
        ("it", "Siamo aperti dal lun. al ven. sempre."),
        ("pt", "Abrimos de seg. a sex. o ano todo."),
        ("nl", "Open van ma. t/m vr. het hele jaar."),
        ("nl", "Bel drs. Bakker of mevr. Jansen op."),
    ],
)
def test_abbreviations_of_each_language_tear_no_sentence(language, text):
    for size in (1, 3, 6, 200):
        sentences = Sentences(language)
        pieces = [piece for at in range(0, len(text), size) for piece in sentences.add(text[at : at + size])]
        pieces = [piece.strip() for piece in [*pieces, sentences.rest()] if piece.strip()]
        assert not any(piece.endswith(".") for piece in pieces[:-1])
