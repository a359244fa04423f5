"""Putting callers through: what Twilio is asked to do, and whose number is shown."""

from xml.etree import ElementTree as ET

import pytest

from trio_voice.edges.twilio.call_control import TwilioCallControl
from trio_voice.edges.twilio.public_url import PublicUrl
from trio_voice.record import CallRecord

DESK, OURS, CALLED = "+15550001111", "+15551234567", "+15559999999"
CALLER = "+15557654321"


class StubRest:
    def __init__(self):
        self.asked = []

    async def redirect(self, call_sid, twiml):
        self.asked.append((call_sid, ET.fromstring(twiml)))


async def dialed(from_number, to_number, direction="inbound", from_config=OURS):
    rest = StubRest()
    record = CallRecord(
        call_id="c1",
        call_sid="CA1",
        direction=direction,
        persona="p",
        from_number=from_number,
        to_number=to_number,
    )
    await TwilioCallControl(rest, PublicUrl("https://voice.example.com"), from_config).transfer(record, DESK)
    ((call_sid, response),) = rest.asked
    assert call_sid == "CA1"
    assert [verb.tag for verb in response] == ["Dial", "Hangup"]
    return response[0]


async def test_twilio_is_to_say_how_it_went():
    dial = await dialed(CALLER, CALLED)
    assert dial.find("Number").text == DESK
    assert dial.attrib == {
        "action": "https://voice.example.com/dial-status/c1",
        "method": "POST",
        "timeout": "20",
    }  # and so the caller's own number is shown


@pytest.mark.parametrize(
    "withheld",
    ["client:alice", "sip:6001@example.com", "anonymous", "Restricted", "+266696687", "+86282452253", "", "unknown"],
)
async def test_who_shows_no_number_of_a_telephone_is_shown_as_the_number_that_they_called(withheld):
    assert (await dialed(withheld, CALLED)).attrib["callerId"] == CALLED
    assert (await dialed(withheld, "sip:15559999999@example.com")).attrib["callerId"] == CALLED
    assert (await dialed(withheld, "client:desk")).attrib["callerId"] == OURS
    assert "callerId" not in (await dialed(withheld, "client:desk", from_config=None)).attrib


async def test_whoever_was_called_by_us_is_put_through_with_our_number():
    assert (await dialed(OURS, CALLER, "outbound")).attrib["callerId"] == OURS
