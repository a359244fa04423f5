"""Sessions and links: bounded in number and time, good once where they should be, and gone with their token."""

import pytest

from trio_voice.edges.web.operator.sessions import LINK_SECONDS, MAX_SESSIONS, SESSION_SECONDS, Sessions, make_table


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(clock=clock)


def test_a_session_is_open_until_it_is_closed_and_then_never_again(sessions):
    cookie = sessions.open("t")
    other = sessions.open("t")
    assert cookie != other
    assert cookie != "t"
    assert sessions.is_open(cookie, ["t"])
    sessions.close(cookie, ["t"])
    assert not sessions.is_open(cookie, ["t"])
    assert sessions.is_open(other, ["t"])


def test_it_ends_by_itself(sessions, clock):
    cookie = sessions.open("t")
    clock.now += SESSION_SECONDS - 1
    assert sessions.is_open(cookie, ["t"])
    clock.now += 2
    assert not sessions.is_open(cookie, ["t"])


def test_it_goes_with_the_token_that_began_it(sessions):
    cookie = sessions.open("old")
    assert sessions.is_open(cookie, ["new", "old"])
    assert not sessions.is_open(cookie, ["new"])
    assert not sessions.is_open(cookie, [])


def test_there_are_only_so_many_and_the_oldest_gives_way(sessions, clock):
    first = sessions.open("t")
    clock.now += 1
    others = [sessions.open("t") for _ in range(MAX_SESSIONS)]
    assert not sessions.is_open(first, ["t"])
    assert all(sessions.is_open(cookie, ["t"]) for cookie in others)


@pytest.mark.parametrize("nonsense", ["", "x", "a" * 5_000, "\udcff", "\0"])
def test_what_is_no_cookie_opens_nothing(sessions, nonsense):
    sessions.open("t")
    assert not sessions.is_open(nonsense, ["t"])


def test_a_link_is_used_once_and_is_no_session(sessions, clock):
    link = sessions.make_link("t")
    assert sessions.is_link(link, ["t"])
    assert not sessions.is_open(link, ["t"])
    assert sessions.use_link(link, ["t"]) == "t"
    assert sessions.use_link(link, ["t"]) is None
    assert not sessions.is_link(link, ["t"])
    late = sessions.make_link("t")
    clock.now += LINK_SECONDS + 1
    assert sessions.use_link(late, ["t"]) is None


def test_processes_that_share_the_table_know_each_others(clock):
    descriptor = make_table()
    one, two = Sessions(descriptor, clock), Sessions(descriptor, clock)
    cookie = one.open("t")
    assert two.is_open(cookie, ["t"])
    two.close(cookie, ["t"])
    assert not one.is_open(cookie, ["t"])
