"""Errors of encryption belong to the socket that has them, though another's news brought them to light."""

import pytest
import trio

from tests.net.test_channels import our_server, our_tls_client
from trio_voice.events.call import LegClosed
from trio_voice.legs.pumps import run_pair
from trio_voice.legs.writer import Writer
from trio_voice.net.poller import open_poller

NO_RECORD = b"this is no TLS record at all"
FATAL_ALERT = b"\x15\x03\x03\x00\x02\x02\x14"
"""bad_record_mac, in clear: as a broken middlebox sends it."""

WRONG = pytest.mark.parametrize("wrong", [NO_RECORD, FATAL_ALERT], ids=["no record", "alert"])


def tcp_of(peer):
    """The socket beneath the peer's TLS."""
    return peer._stream.socket


class Relay:
    """Caller and model as a call joins them: what the caller says is posted to the model by whoever hears it."""

    def __init__(self):
        self.facts, self.heard = [], []
        self.to_model = Writer(50, stall_seconds=1)
        self.to_caller = Writer(50, stall_seconds=1)

    def forward_caller_audio(self, message):
        self.heard.append(message)
        self.to_model.post(message)

    def hear_model(self, message):
        self.to_caller.post(message)

    def tell(self, fact):
        self.facts.append(fact)


@WRONG
async def test_an_error_of_the_models_tls_is_the_models_though_the_caller_speaks_in_the_same_round(wrong):
    async with open_poller(), our_server() as (caller, telephone), our_tls_client() as (model, provider):
        relay = Relay()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_pair, "caller", caller, relay.to_caller, relay.forward_caller_audio, relay.tell)
            nursery.start_soon(run_pair, "model", model, relay.to_model, relay.hear_model, relay.tell)
            await trio.testing.wait_all_tasks_blocked(0.05)
            # Both are there before the poller looks again: nothing here waits for its own task.
            tcp_of(provider)._sock.send(wrong)
            for frame in (b"\x81\x82\0\0\0\0hi", b"\x81\x83\0\0\0\0you"):
                telephone._stream.socket._sock.send(frame)
            with trio.fail_after(20):
                while len(relay.heard) < 2 or not relay.facts:
                    await trio.sleep(0.01)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
        assert relay.heard == ["hi", "you"]
        assert {type(fact) for fact in relay.facts} == {LegClosed}
        assert {fact.leg for fact in relay.facts} == {"model"}
        with trio.fail_after(20), trio.CancelScope():
            await caller.send("the caller's socket is whole")


@WRONG
async def test_nothing_can_be_sent_over_broken_tls_and_those_who_wait_are_told(wrong):
    async with open_poller(), our_tls_client() as (model, provider):
        stream = model._polled
        tcp_of(provider)._sock.send(wrong)
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError):
            await model.receive()
        assert stream.send_now(b"x") is False
        assert model.send_now("x") is False
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        await stream.aclose()


async def test_after_the_peers_close_of_tls_sending_is_refused_or_taken_and_raises_nothing_of_tls():
    async with open_poller(), our_tls_client() as (model, provider):
        with trio.move_on_after(0.2):
            await provider._connection._stream.aclose()
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError):
            await model.receive()
        for _ in range(3):
            model.send_now("x")
        await model.aclose()
