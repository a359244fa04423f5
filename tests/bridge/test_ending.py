"""The end that the agent wants: heard out, taken back, and come only once."""

import attrs
import pytest

from tests.bridge.goodbyes import GOODBYE, asks, says
from tests.playbook import GREETS_NOBODY, HUSH, SPEECH, TALKS_FIRST, Playbook, end_of
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import (
    ClearPlayback,
    EndCall,
    LastWordsDue,
    PlaceMark,
    PlayAudio,
    Then,
    ToolResult,
    ToolReturned,
    TransferCall,
)
from trio_voice.limits import Limits
from trio_voice.persona import Line, Lines
from trio_voice.record import EndReason


@pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])
def test_a_noise_without_an_end_does_not_hold_the_end_up_for_long(then):
    book = saying_goodbye(then)
    book.after(0.1).on(c.CallerSpeechStarted())
    began, done = book.now, []
    while not done and book.now < began + 20:
        commands = book.after(0.02).on(ms.CallerAudio(HUSH)) + book.tick()
        done = [each for each in commands if isinstance(each, EndCall | TransferCall)]
    assert book.now - began <= 6


def saying_goodbye(then=Then.END_CALL, **rest):
    """A live call whose agent has asked for its end, beside a goodbye that was heard."""
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000, playback_lead_seconds=10), **rest).live()
    book.speak("r1", *[SPEECH] * 2)
    asks(book, then)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    return book


@pytest.mark.parametrize("then", [Then.END_CALL, Then.TRANSFER])
def test_a_caller_who_has_more_to_say_takes_it_back(then):
    book = saying_goodbye(then)
    says(book, "Wait, one more thing.")
    book.speak("r2", SPEECH)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.2"))
    assert not any(isinstance(command, EndCall | TransferCall) for _, command in book.pass_time(25))
    assert book.record.counters["goodbyes_taken_back"] == 1


def test_two_words_so_far_may_still_become_a_goodbye_and_three_take_it_back():
    book = saying_goodbye()
    book.on(c.CallerSpeechStarted())
    for text in ("Have", "Have a", "Have a nice day"):
        book.after(0.2).on(c.CallerTranscript("i1", text, final=False))
    book.on(c.CallerSpeechStopped())
    assert "goodbyes_taken_back" not in book.record.counters
    book.on(c.CallerSpeechStarted())
    for text, taken_back in (("Wait", 0), ("Wait, one", 0), ("Wait, one more", 1)):
        book.after(0.2).on(c.CallerTranscript("i2", text, final=False))
        assert book.record.counters.get("goodbyes_taken_back", 0) == taken_back


def test_an_agent_that_renews_it_ends_the_call_all_the_same():
    book = saying_goodbye()
    says(book, "Wait, one more thing.")
    book.speak("r2", SPEECH)
    asks(book)
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.2"))
    assert end_of([command for _, command in book.pass_time(2)]) is EndReason.AGENT


@pytest.mark.parametrize("text", ["Bye bye.", "Thanks, goodbye!", "Okay, have a nice day.", "Uh-huh."])
def test_a_caller_who_says_goodbye_as_well_takes_nothing_back(text):
    book = saying_goodbye()
    says(book, text)
    ended = book.pass_time(2)
    assert end_of([command for _, command in ended]) is EndReason.AGENT
    assert ended[-1][1].detail == "the agent ended the call, and its goodbye was heard"


def test_patience_does_not_run_while_they_speak():
    book = saying_goodbye()
    book.on(c.CallerSpeechStarted())
    for _ in range(200):
        said = book.after(0.1).on(ms.CallerAudio(SPEECH)) + book.tick()
        assert not any(isinstance(command, EndCall) for command in said)


def test_each_goodbye_of_many_is_the_first_one_again():
    """A model that asks for the end with every goodbye does not keep the call alive."""
    book = saying_goodbye()
    began, ended = book.now, []
    while not ended and book.now < began + 60:
        commands = book.after(0.4).on(c.ReplyStarted("r")) + asks(book) + book.on(c.ReplyDone("r", interrupted=False))
        ended = [command for command in commands + book.tick() if isinstance(command, EndCall)]
    assert ended
    assert book.now - began < 31


@pytest.mark.parametrize("spoken", [True, False])
def test_nothing_is_asked_of_a_model_whose_words_already_ended_the_call(spoken):
    book = Playbook().live()
    book.on(c.ReplyStarted("r1"))
    if spoken:
        book.on(c.ReplyAudio("r1", SPEECH))
    assert asks(book)[0] == c.SendToolResult("t1", "{}", go_on=not spoken)


def test_a_goodbye_that_nobody_heard_is_not_recorded_as_heard():
    book = Playbook().live()
    asks(book)
    (_, end) = book.pass_time(5)[-1]
    assert end.detail == "the agent ended the call, and no goodbye of its own was heard"


def test_what_is_looked_up_beside_a_goodbye_is_told_and_asks_for_no_more_words():
    book = Playbook().live()
    book.speak("r1", SPEECH)
    book.on(c.ToolCalled("t0", "look_up", {}))
    asks(book)
    assert book.on(ToolReturned("t0", ToolResult("seven"))) == [c.SendToolResult("t0", "seven", go_on=False)]


def test_words_of_before_the_goodbye_take_nothing_back_however_late_their_text_is():
    """Some models write down what it was that they answer when they have answered it."""
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000, playback_lead_seconds=10)).live()
    book.on(c.CallerSpeechStarted(item_id="i1"))
    book.after(1).on(c.CallerSpeechStopped())
    book.on(c.CallerTranscript("i2", "Please hang", final=False))
    book.speak("r1", *[SPEECH] * 2)
    asks(book)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.after(0.1)
    book.on(c.CallerTranscript("i1", "I want to end this call.", final=True))
    book.on(c.CallerTranscript("i2", "Please hang up the telephone.", final=True))
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    assert end_of([command for _, command in book.pass_time(2)]) is EndReason.AGENT
    assert "goodbyes_taken_back" not in book.record.counters


@pytest.mark.parametrize("final", [True, False], ids=["written", "being written"])
def test_a_goodbye_that_is_returned_wants_no_answer(final):
    book = saying_goodbye()
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    assert book.on(c.CallerTranscript("i1", "Bye bye.", final=final)) == [c.IgnoreTurn("i1")]
    ((at, end),) = book.pass_time(10)
    assert isinstance(end, EndCall)
    assert at - book.now + 10 == pytest.approx(0.5)


def test_a_goodbye_of_which_a_reply_was_heard_may_be_asked_for_in_the_next():
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000, playback_lead_seconds=10)).live()
    book.speak("r1", SPEECH)
    book.on(c.ReplyDone("r1", interrupted=False))
    book.on(c.ReplyStarted("r2"))
    assert asks(book) == [c.SendToolResult("t1", "{}", go_on=False)]
    book.on(c.ReplyDone("r2", interrupted=False))
    book.after(0.1).on(ms.MarkEchoed("0.1"))
    assert [command.reason for _, command in book.pass_time(1)] == [EndReason.AGENT]


def test_a_call_ends_as_it_was_going_to_though_its_model_fails_meanwhile():
    lines = Lines(idle_goodbye=Line("Goodbye.", SPEECH))
    limits = Limits(media_gap_seconds=1000, idle_seconds=30)
    book = Playbook(persona=GREETS_NOBODY, lines=lines, limits=limits).live()
    done = book.pass_time(33)  # asked for its goodbye, it says none
    assert [command for _, command in done if isinstance(command, PlayAudio)] == [PlayAudio(SPEECH)]
    book.on(c.ModelFault("silent", "it does not answer", fatal=True))
    book.on(ms.MarkEchoed("0.1"))
    ((at, end),) = [each for each in book.pass_time(10) if isinstance(each[1], EndCall)]
    assert end.reason is EndReason.IDLE
    assert at - book.now + 10 <= 0.6


def test_a_caller_who_speaks_into_a_goodbye_may_be_answered():
    book = saying_goodbye()
    book.on(c.CallerSpeechStarted(interrupts=False))
    book.after(0.5).on(c.CallerSpeechStopped())
    assert not any(isinstance(command, EndCall) for _, command in book.pass_time(0.2))
    book.on(c.CallerSpeechStarted())
    book.after(0.5).on(c.CallerSpeechStopped())
    assert not any(isinstance(command, EndCall) for _, command in book.pass_time(3.5))
    assert end_of([command for _, command in book.pass_time(1)]) is EndReason.AGENT


def test_an_agent_that_puts_a_caller_through_without_a_word_says_no_goodbye():
    lines = Lines(goodbye=Line("Goodbye.", SPEECH))
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000), lines=lines).live()
    says(book, "I want to talk to somebody.")
    asks(book, Then.TRANSFER)
    done = [command for _, command in book.pass_time(6)]
    assert any(isinstance(command, TransferCall) for command in done)
    assert book.record.transcript[-1].role == "caller"


def sounds(done):
    return [round(at, 2) for at, command in done if isinstance(command, PlayAudio)]


@pytest.mark.parametrize("limit", [29, 30, 600])
def test_a_call_that_has_lasted_as_long_as_it_may_ends_behind_a_goodbye(limit):
    limits = Limits(media_gap_seconds=5_000, idle_seconds=5_000, time_limit_seconds=limit)
    book = Playbook(persona=GREETS_NOBODY, lines=Lines(goodbye=GOODBYE), limits=limits).live()
    done = book.pass_time(limit + 1)
    ended_at, end = done[-1]
    assert (end.reason, end.detail) == (
        EndReason.TIME_LIMIT,
        f"the call has lasted as long as it may: time_limit_seconds = {limit}",
    )
    if limit < 30:
        assert (sounds(done), ended_at) == ([], 100 + limit)
    else:
        assert sounds(done) == [100 + limit - 5]
        assert 95.5 + limit < ended_at <= 100 + limit


def test_the_last_words_of_a_call_are_said_whoever_speaks_and_answered_by_nobody():
    chain = attrs.evolve(TALKS_FIRST, yields_on_request=True, words_while_speaking=True, truncates=True)
    limits = Limits(media_gap_seconds=5_000, idle_seconds=5_000, playback_lead_seconds=4)
    book = Playbook(persona=GREETS_NOBODY, lines=Lines(goodbye=GOODBYE), limits=limits, capabilities=chain).live()
    book.speak("r1", *[SPEECH] * 20)
    done = book.after(0.5).on(LastWordsDue(EndReason.DRAIN, "the server goes down"))
    assert [type(each) for each in done] == [c.TruncateReply, ClearPlayback, PlayAudio, PlaceMark]
    done = book.on(c.CallerSpeechStarted(item_id="i1"))
    done += book.on(c.CallerTranscript("i1", "But I have a question.", final=False))
    done += book.on(c.CallerSpeechStopped())
    done += book.on(c.CallerTranscript("i1", "But I have a question.", final=True))
    assert set(done) == {c.IgnoreTurn("i1")}
    assert book.speak("r2", SPEECH) == []
    ended = [command for _, command in book.pass_time(5)]
    assert (end_of(ended), ended[-1].detail) == (EndReason.DRAIN, "the server goes down")


@pytest.mark.parametrize("lines", [Lines(), Lines(goodbye=GOODBYE)], ids=["no line", "a goodbye already"])
def test_last_words_disturb_no_goodbye_and_end_nothing_by_themselves(lines):
    book = Playbook(lines=lines).live() if lines == Lines() else saying_goodbye(lines=lines)
    assert book.on(LastWordsDue(EndReason.DRAIN, "the server goes down")) == []


def test_an_agent_that_pauses_in_its_goodbye_is_heard_out():
    book = Playbook(limits=Limits(media_gap_seconds=1000, idle_seconds=1000, playback_lead_seconds=10)).live()
    book.speak("r1", *[SPEECH] * 2)
    asks(book)
    book.after(0.2).on(ms.MarkEchoed("0.1"))
    assert not any(isinstance(command, EndCall) for _, command in book.pass_time(3))
    book.on(c.ReplyDone("r1", interrupted=False))
    assert end_of([command for _, command in book.pass_time(2)]) is EndReason.AGENT
