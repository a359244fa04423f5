"""Questions for TwiML about calls that live: here, or in another of our processes."""

from xml.etree import ElementTree as ET

import trio
import trio.testing

from tests.call.promises import StubCall
from tests.edges.web.stubs import BASE, post, stream_url, verbs
from trio_voice.edges.web.context import NumberRouting
from trio_voice.record import EndReason


class StubColleagues:
    """Other processes, one of which has a call."""

    def __init__(self):
        self.passed_on = []

    def call_elsewhere(self, call_sid):
        return "0001" + 28 * "a" if call_sid == "CA1" else None

    async def pass_on_status(self, call_sid, status):
        await trio.lowlevel.checkpoint()
        self.passed_on.append((call_sid, status))


async def test_a_call_of_another_process_is_sent_on_to_it(client, context, registry):
    context.colleagues = StubColleagues()
    answer = await (await post(client, "/twiml")).get_data(as_text=True)
    assert verbs(answer) == ["Redirect"]
    assert ET.fromstring(answer)[0].text == f"{BASE}/twiml/0001{28 * 'a'}"
    assert registry.records() == []
    assert verbs(await (await post(client, "/twiml", CallSid="CA2")).get_data(as_text=True)) == ["Connect", "Hangup"]
    assert context.colleagues.passed_on == [("CA2", "promised here")]


async def test_a_call_that_lives_is_known_whatever_number_it_is_redirected_from(client, context, registry, nursery):
    call_id = stream_url(await (await post(client, "/twiml")).get_data(as_text=True)).rpartition("/")[2]
    call = StubCall(call_id)
    call.record = registry.take(call_id).record
    nursery.start_soon(call.live, registry)
    await trio.testing.wait_all_tasks_blocked()
    context.routing = NumberRouting(context.routing.personas, {})
    again = await (await post(client, "/twiml", To="+15550009999")).get_data(as_text=True)
    assert verbs(again) == ["Connect", "Hangup"]
    assert ET.fromstring(again).find("Connect/Stream").attrib["statusCallback"] == f"{BASE}/stream-status/{call_id}"
    by_id = await (await post(client, f"/twiml/{call_id}", To="+15550009999")).get_data(as_text=True)
    assert by_id == again
    call.record.end_reason = EndReason.HANGUP
    call.over.set()
    await trio.testing.wait_all_tasks_blocked()
    assert (await registry.resume(registry.take(stream_url(again).rpartition("/")[2]))).record is call.record
