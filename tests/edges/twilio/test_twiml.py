"""TwiML that we answer with: what it says, and that Twilio's own library would write it so."""

from xml.etree import ElementTree as ET

from twilio.twiml.voice_response import Connect, VoiceResponse

from trio_voice.edges.twilio.twiml import connect_twiml, reject_twiml, sorry_twiml


def test_twiml_connects_and_then_hangs_up():
    response = ET.fromstring(connect_twiml("wss://h/media-stream/c1", "https://h/stream-status/c1"))
    assert [verb.tag for verb in response] == ["Connect", "Hangup"]
    (stream,) = response[0]
    assert stream.attrib == {
        "url": "wss://h/media-stream/c1",
        "statusCallback": "https://h/stream-status/c1",
        "statusCallbackMethod": "POST",
    }


def test_it_is_what_twilio_s_own_sdk_writes():
    urls = ("wss://h/media-stream/c1?a=1&b=<2>", "https://h/stream-status/c1?a=1&b=<2>")
    said, connect = VoiceResponse(), Connect()
    connect.stream(url=urls[0], status_callback=urls[1], status_callback_method="POST")
    said.append(connect)
    said.hangup()
    assert connect_twiml(*urls) == str(said)


def test_the_other_answers():
    assert [verb.tag for verb in ET.fromstring(sorry_twiml("Busy & sorry"))] == ["Say", "Hangup"]
    assert [verb.tag for verb in ET.fromstring(reject_twiml())] == ["Reject"]
