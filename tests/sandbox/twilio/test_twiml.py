"""TwiML as the sandbox's Twilio reads it."""

import pytest

from tests.sandbox.twilio.world import response
from trio_voice.sandbox.twilio.twiml import Connect, Hangup, Pause, Redirect, Say, TwimlError, parse_twiml


def test_twiml_is_read_with_relative_urls_resolved():
    document = parse_twiml(
        response(
            '<Connect action="/after"><Stream url="/media" name="n"><Parameter name="k" value="v"/></Stream></Connect>'
            '<Say>Bye &amp; thanks</Say><Pause length="2"/><Redirect method="GET">more</Redirect><Hangup/>'
        ),
        "https://voice.example.com/calls/twiml",
    )
    connect, *others = document.verbs
    assert isinstance(connect, Connect)
    assert connect.action == "https://voice.example.com/after"
    assert (connect.stream.url, connect.stream.name) == ("wss://voice.example.com/media", "n")
    assert (connect.stream.parameters, connect.stream.error) == ({"k": "v"}, None)
    assert others == [
        Say("Bye & thanks"),
        Pause(2),
        Redirect("https://voice.example.com/calls/more", "GET"),
        Hangup(),
    ]
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ('url="ws://h/p"', 31922),
        ('url="https://h/p"', 31922),
        ("", 31922),
        ('url="wss:///p"', 31923),
        ('url="wss://h/p?a=b"', 31920),
        ('url="wss://h/p" track="both_tracks"', 31941),
    ],
)
def test_a_stream_that_twilio_would_not_open(stream, code):
    [connect] = parse_twiml(response(f"<Connect><Stream {stream}/></Connect>")).verbs
    assert isinstance(connect, Connect)
    assert connect.stream.error is not None
    assert connect.stream.error[0] == code


@pytest.mark.parametrize(
    "verbs",
    [
        "<Gathering/>",
        "<say>no</say>",
        '<Hangup now="yes"/>',
        "<Connect/>",
        "<Connect><Stream url='wss://h/'/><Stream url='wss://h/'/></Connect>",
        "<Connect><StageEndpoint>r</StageEndpoint><Stream url='wss://h/'/></Connect>",
        f"<Connect><Stream url='wss://h/'><Parameter name='k' value='{'v' * 499}'/></Stream></Connect>",
        "<Connect><Stream url='wss://h/'><Param name='k'/></Stream></Connect>",
        "<Connect><Stream url='wss://h/' statusCallback='/relative'/></Connect>",
        "<Pause length='long'/>",
        "<Dial/>",
        "<Dial><Queue>q</Queue><Number>+15550001111</Number></Dial>",
        "<Number>+15550001111</Number>",
    ],
)
def test_what_the_schema_does_not_know_is_a_warning(verbs):
    assert {code for code, _ in parse_twiml(response(verbs)).warnings} == {12200}


@pytest.mark.parametrize(
    ("text", "code"), [("{}", 12100), ("<Response>", 12100), ("<response/>", 12100), (" " * 65_537, 11750)]
)
def test_what_is_no_twiml_is_an_error(text, code):
    with pytest.raises(TwimlError) as error:
        parse_twiml(text)
    assert error.value.code == code
