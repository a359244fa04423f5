"""Reading JSON that may be none."""

import pytest

from trio_voice.events.model import Unrecognized
from trio_voice.protocols.json_messages import arguments_in, read, table_in, text_in, unknown


def understand(event):
    return [event["text"].upper(), int(event["number"]), event["rows"][0], float("1" + "0" * event["zeros"])]


def test_a_message_is_what_its_reader_says() -> None:
    assert read('{"text":"a","number":"7","rows":[1],"zeros":0}', understand) == ["A", 7, 1, 1.0]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b'{"text":"a"}', "a binary message"),
        ("{", "DecodeError"),
        ("[" * 100_000, "RecursionError"),
        ("\ud800", "UnicodeEncodeError"),
        ("7", "TypeError"),
        ("{}", "KeyError: 'text'"),
        ('{"text":5}', "AttributeError"),
        ('{"text":"a","number":"x"}', "ValueError"),
        ('{"text":"a","number":1e999}', "ValidationError"),
        ('{"text":"a","number":1,"rows":[]}', "IndexError"),
        ('{"text":"a","number":1,"rows":{}}', "KeyError: 0"),
    ],
)
def test_what_cannot_be_read_is_garbage_that_says_why(message, why) -> None:
    [event] = read(message, understand)
    assert isinstance(event, Unrecognized)
    assert event.garbage
    assert why in event.what


def test_an_endless_reason_is_cut_short() -> None:
    [event] = read('"' + "x" * 10_000 + '"', lambda text: [float(text)])
    assert isinstance(event, Unrecognized)
    assert event.what.startswith("ValueError: could not convert string to float: 'xxx")
    assert len(event.what) == 200


def test_a_type_that_nobody_told_us_of_is_no_garbage() -> None:
    assert unknown("new.event") == Unrecognized("an event of type 'new.event'")
    assert len(unknown("x" * 10_000).what) < 100


@pytest.mark.parametrize("event", [{}, {"key": None}, {"key": 5}, {"key": [1]}])
def test_what_is_missing_or_of_another_kind_is_empty(event) -> None:
    assert (text_in(event, "key"), table_in(event, "key")) == ("", {})


def test_what_is_there_is_found() -> None:
    assert text_in({"key": "a"}, "key") == "a"
    assert table_in({"key": {"a": 1}}, "key") == {"a": 1}


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        " ",
        "null",
        " null\n",
        '"null"',
        "NONE",
        "undefined",
        '""',
        [],
        "[]",
        {},
        "{}",
        '"{}"',
        '"\\"{}\\""',
        0,
    ],
)
def test_arguments_that_mean_nothing_at_all_are_none(given):
    assert arguments_in(given) == {}


@pytest.mark.parametrize("given", [{"n": 1}, '{"n":1}', '"{\\"n\\":1}"'])
def test_arguments_are_an_object_however_they_are_wrapped(given):
    assert arguments_in(given) == {"n": 1}


@pytest.mark.parametrize("given", ["{", "no", "[" * 100_000, "\ud800", 7, [1], "8", ["{}"]])
def test_arguments_that_mean_something_else_are_no_object(given):
    assert not isinstance(arguments_in(given), dict)
