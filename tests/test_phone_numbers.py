"""Spellings of telephone numbers: which are the same, and which are none."""

import pytest

from trio_voice.phone_numbers import e164, premium_numbers


@pytest.mark.parametrize(
    "written",
    [
        "+15550001111",
        "+1 (555) 000-1111",
        " +1 555 000 1111 ",
        "+1.555.000.1111",
        "+1/555/000-1111",
        "(+1) 555 000 1111",
        "15550001111",
        "1-555-000-1111",
        "sip:+15550001111@example.sip.twilio.com",
        "sips:15550001111@10.0.0.1:5061;transport=tls?x=y",
        "SIP:+15550001111",
        "tel:+1-555-000-1111;phone-context=example.com",
        "sip:%2B15550001111@example.com",
        '"Desk" <sip:+15550001111@example.com>;tag=1'.partition(";")[0],
        "00 1 555 000 1111",
        "001-555-000-1111",
        "+1\u00a0555\u202f000\u20111111",
        "\u202a+1 555 000 1111\u202c",
        "+1 555\u2013000\u22121111",
        "\uff0b\uff11 555 000 1111",
        "+\u0661 \u0665\u0665\u0665 000 1111",
    ],
)
def test_one_number_in_many_spellings(written):
    assert e164(written) == "+15550001111"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+",
        "555-1234",
        "(555) 123-0002",
        "5551230002",
        "+1 555",
        "+155500011112222",
        "+999123456789",
        "not a number",
        "anonymous",
        "client:alice",
        "sip:alice@example.com",
        "sip:@example.com",
        "+1 555 000 1111 ext. 3",
        "+1-800-FLOWERS",
        "+1\n5550001111",
        "+" + "1" * 10_000,
        "1" + "(" * 10_000,
        "+0015550001111",
        "00 555 000",
        "011 1 555 000 1111",
        "<+15550001111",
    ],
)
def test_what_is_no_number_that_can_be_dialed(written):
    assert e164(written) is None


def test_numbers_of_other_countries():
    assert e164("+49 30 901820") == "+4930901820"
    assert e164("+44 (20) 7946 0958") == "+442079460958"
    assert e164("+44 (0)20 7946 0958") == "+442079460958"
    assert e164("442079460958") == "+442079460958"


@pytest.mark.parametrize(
    "prefix",
    [
        "+1",
        "+1900",
        "+44",
        "+449",
        "+449098",
        "+4470",
        "+49137",
        "+49180",
        "+3389",
        "+979",
        "+881",
        "+8816",
        "+882",
        "+870",
    ],
)
def test_prefixes_that_let_numbers_with_a_charge_of_their_own_through(prefix):
    dear = premium_numbers(prefix)
    assert dear
    assert all(number.startswith(prefix) for number in dear)


@pytest.mark.parametrize("prefix", ["+1415", "+4930", "+4420", "+800", "+888", "+447700900", "+999", "+331"])
def test_prefixes_that_let_none_through(prefix):
    assert premium_numbers(prefix) == []
