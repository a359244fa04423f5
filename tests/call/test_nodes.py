"""The fleet as a node sees it: its own digits, who the others are by what they tell, and who is sent a caller."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
import trio

from trio_voice.call.nodes import FRESH_SECONDS, Node, NodeDirectory, node_digits, node_of
from trio_voice.daemon.node_check import wait_to_yield
from trio_voice.journal import Run

NOW = datetime(2026, 1, 31, tzinfo=UTC)
TWO = Node(digits="02", node_url="https://n2.example.com", peer_url="http://10.0.0.12:8081", host="b", max_calls=4)


def run_of(node, beat_at=NOW, run_id=""):
    text = node if isinstance(node, str) else node.as_text()
    return Run(run_id or text[:40], "b", 1, started_at=NOW, beat_at=beat_at, node_state=text)


@pytest.mark.parametrize(
    ("host", "digits"),
    [
        ("voice-0", "00"),
        ("voice-10", "0a"),
        ("voice-255", "ff"),
        ("voice-2.voice.default.svc.cluster.local", "02"),
        ("v2-7", "07"),
        ("2.example.com", "02"),
    ],
)
def test_an_ordinal_is_the_number_at_the_end_of_the_host_name(host, digits):
    assert node_digits("ordinal", host) == digits


@pytest.mark.parametrize("host", ["voice-256", "voice", "", "voice-2a"])
def test_a_host_name_without_one_is_refused_in_words(host):
    with pytest.raises(ValueError, match="ordinal"):
        node_digits("ordinal", host)


@pytest.mark.parametrize("written", ["1", "001", "1F", "g0", "", " 1", "0x"])
def test_digits_are_two_and_hexadecimal(written):
    with pytest.raises(ValueError, match="two lower-case hexadecimal digits"):
        node_digits(written, "voice-1")


def test_without_a_node_there_is_one_machine():
    assert node_digits(None, "voice-7") == "00"
    assert node_digits("1f", "voice-7") == "1f"


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[]",
        "[" * 100_000,
        "5",
        '{"digits": "02"}',
        attrs.evolve(TWO, digits="2").as_text(),
        attrs.evolve(TWO, peer_url="10.0.0.12:8081").as_text(),
        attrs.evolve(TWO, peer_url="http://[::bad").as_text(),
        attrs.evolve(TWO, peer_url="http://10.0.0.12:99999").as_text(),
        attrs.evolve(TWO, node_url="file:///etc/passwd").as_text(),
        TWO.as_text().replace('"seats": 0', '"seats": "many"'),
        TWO.as_text().replace('"ready"', "null"),
    ],
)
def test_what_tells_nothing_of_a_node_is_none(told):
    assert node_of(run_of(told)) is None


def test_a_field_of_a_newer_version_is_passed_over():
    assert node_of(run_of(TWO.as_text().replace("{", '{"colour": "red", ', 1))) == TWO


async def test_whoever_has_most_room_is_sent_a_caller_first(autojump_clock):
    fleet = NodeDirectory("01")
    three = attrs.evolve(TWO, digits="03", seats=1, max_calls=9)
    full = attrs.evolve(TWO, digits="04", status="full")
    drains = attrs.evolve(TWO, digits="05", status="draining")
    ours = attrs.evolve(TWO, digits="01")
    fleet.observe([run_of(each) for each in (TWO, three, full, drains, ours)], set())
    assert [node.digits for node in fleet.takers()] == ["03", "02"]
    assert [node.digits for node in fleet.takers({"03"})] == ["02"]
    assert {node.digits for node in fleet.others} == {"02", "03", "04", "05"}


async def test_a_clock_that_is_wrong_makes_nobody_stale_and_a_heart_that_stands_still_does(autojump_clock):
    fleet, beat = NodeDirectory("01"), NOW - timedelta(seconds=30)  # another's clock, half a minute behind
    for _ in range(10):
        beat += timedelta(seconds=5)
        fleet.observe([run_of(TWO, beat, "r")], set())
        await trio.sleep(5)
        assert fleet.takers()
    beat -= timedelta(hours=3)  # it is set back
    fleet.observe([run_of(TWO, beat, "r")], set())
    assert fleet.takers()
    await trio.sleep(FRESH_SECONDS)
    fleet.observe([run_of(TWO, beat, "r")], set())
    assert not fleet.takers()
    assert fleet.at("02") is not None  # its calls are its own until somebody has declared it dead
    fleet.observe([run_of(TWO, beat, "r")], {"r"})
    assert fleet.at("02") is None


async def test_a_node_of_several_processes_drains_when_one_does(autojump_clock):
    fleet = NodeDirectory("01")
    fleet.observe([run_of(TWO, run_id="a"), run_of(attrs.evolve(TWO, status="draining"), run_id="b")], set())
    assert [node.status for node in fleet.others] == ["draining"]
    assert len(fleet.runs_of("02")) == 2


OURS = Node(digits="01", node_url="https://n.example.com", peer_url="http://10.0.0.11:8081", host="a", since="2026-01")


@pytest.mark.parametrize(
    ("theirs", "goes"),
    [
        ({"since": "2026-02"}, True),  # they found these digits free, so we were away
        ({"since": "2025-12"}, False),
        ({"since": "2026-02", "was_free": False}, False),  # they did not look
        ({"since": "2025-12", "was_free": False}, False),
    ],
)
def test_of_two_with_the_same_digits_one_goes(theirs, goes):
    other = attrs.evolve(OURS, host="b", **theirs)
    assert OURS.yields_to(other) is goes
    assert other.yields_to(OURS) is not goes


def test_of_two_that_did_not_look_the_later_goes_and_of_two_at_once_still_one():
    ours = attrs.evolve(OURS, was_free=False)
    assert ours.yields_to(attrs.evolve(ours, host="b", since="2025-12"))
    assert not ours.yields_to(attrs.evolve(ours, host="b", since="2026-02"))
    for one in (OURS, ours):
        other = attrs.evolve(one, host="b")
        assert one.yields_to(other) is not other.yields_to(one)


async def test_a_namesake_is_one_whose_heart_is_seen_to_beat(autojump_clock):
    fleet, other = NodeDirectory("01"), attrs.evolve(OURS, host="b")
    fleet.observe([run_of(other, NOW, "r")], set())
    assert fleet.namesakes == []  # it may be long dead
    fleet.observe([run_of(other, NOW, "r")], set())
    assert fleet.namesakes == []
    fleet.observe([run_of(other, NOW + timedelta(seconds=5), "r")], set())
    assert fleet.namesakes == [other]
    fleet.observe([run_of(other, NOW + timedelta(seconds=10), "r")], {"r"})
    assert fleet.namesakes == []
    assert fleet.others == []


async def test_a_node_waits_until_somebody_has_the_better_claim_to_its_digits(autojump_clock, nursery):
    fleet, ended = NodeDirectory("01"), []

    async def wait():
        ended.append(await wait_to_yield(lambda: OURS, fleet))

    nursery.start_soon(wait)
    for other in (OURS, attrs.evolve(OURS, host="b", since="2025-12")):  # another process of ours; one that goes
        fleet.namesakes = [other]
        await trio.sleep(5)
        assert not ended
    fleet.namesakes = [OURS, attrs.evolve(OURS, host="b", since="2026-02")]
    await trio.sleep(5)
    [wrong] = ended
    assert "server.node" in str(wrong.problems)
    assert "(host b)" in str(wrong.problems)
