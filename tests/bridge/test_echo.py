"""The agent's own words as the line gives them back: they take no floor, whatever the model does with them."""

import pytest

from tests.bridge.goodbyes import asks
from tests.bridge.interrupted import CUTS_ITSELF, WRITES_LATE, YIELDS
from tests.bridge.silences import LINES
from tests.playbook import HUSH, SPEECH, Playbook, run_until_end
from trio_voice.audio.mulaw import base64_ms
from trio_voice.events import caller as ms
from trio_voice.events import model as c
from trio_voice.events.call import ClearPlayback, EndCall, PlaceMark, PlayAudio
from trio_voice.persona import Persona

REPLY = "We are open from nine to five, and on Saturdays from ten to two."
CHOICE = "We have Tuesday at nine or Wednesday at ten."
KINDS = {"chain": YIELDS, "openai": WRITES_LATE, "cuts itself": CUTS_ITSELF}


class Line:
    """A call whose line gives back what the agent says, after a moment."""

    def __init__(self, capabilities=YIELDS, text=REPLY, *, pieces=40, **rest):
        self.capabilities = capabilities
        self.book = Playbook(capabilities=capabilities, **rest).live()
        self.plays_until, self.marks = 0.0, []
        self.says("r1", text, pieces)
        self.numbers = iter(range(1, 99))

    def on(self, fact):
        return self.played(self.book.on(fact))

    def played(self, commands):
        """Twilio does what it is told."""
        for command in commands:
            if isinstance(command, PlayAudio):
                self.plays_until = max(self.plays_until, self.book.now) + base64_ms(command.payload) / 1000
            elif isinstance(command, PlaceMark):
                self.marks.append((self.plays_until, command.name))
            elif isinstance(command, ClearPlayback):
                self.plays_until, self.marks = self.book.now, []
        return commands

    def says(self, reply_id, text, pieces):
        """The agent says this; what is done about it."""
        commands = self.on(c.ReplyStarted(reply_id))
        for _ in range(pieces):
            commands += self.on(c.ReplyAudio(reply_id, SPEECH))
        commands += self.on(c.ReplyTranscript(reply_id, text, interrupted=False))
        return commands + self.on(c.ReplyDone(reply_id, interrupted=False))

    def lasts(self, seconds, payload=SPEECH):
        """The line is as loud as this, and Twilio says what it has played; what is done meanwhile."""
        commands = []
        for _ in range(round(seconds / 0.1)):
            self.on(ms.CallerAudio(payload))
            self.book.after(0.1)
            while self.marks and self.marks[0][0] <= self.book.now:
                commands += self.on(ms.MarkEchoed(self.marks.pop(0)[1]))
            if self.book.bridge.wake_at <= self.book.now:
                commands += self.played(self.book.tick())
        return commands

    def gives_back(self, *texts, seconds=0.4):
        """A sound, which the model hears and writes down; what is done about its words."""
        item = f"i{next(self.numbers)}"
        self.on(c.CallerSpeechStarted())
        if not self.capabilities.yields_on_request:
            self.on(c.ReplyDone("r1", interrupted=True))
        self.lasts(seconds)
        if self.capabilities.words_while_speaking:
            for text in texts:
                self.on(c.CallerTranscript(item, text, final=False))
        self.lasts(0.3, HUSH)
        commands = self.on(c.CallerSpeechStopped())
        return commands + self.on(c.CallerTranscript(item, texts[-1], final=True))

    @property
    def callers(self):
        return [line.text for line in self.book.record.transcript if line.role == "caller"]

    @property
    def counters(self):
        return self.book.record.counters


@pytest.fixture(params=KINDS)
def capabilities(request):
    return KINDS[request.param]


def asked(commands):
    return [each for each in commands if isinstance(each, c.RequestReply)]


def is_heard(commands):
    return any(isinstance(each, PlayAudio) for each in commands)


ECHOES = [
    ("We are open",),
    ("We are open from nine",),
    ("open from nine to five and",),
    ("We", "We are", "We are open"),
    ("we are open from wine to five",),
    ("We", "We or open", "we or open from nine to"),
]


@pytest.mark.parametrize("texts", ECHOES, ids=" / ".join)
def test_an_echo_takes_no_floor_and_the_agent_goes_on(capabilities, texts):
    line = Line(capabilities)
    line.lasts(1.5)
    line.gives_back(*texts)
    line.lasts(2, HUSH)
    assert line.callers == []
    assert line.counters["false_interruptions_resumed"] == line.counters["echoes"] == 1
    assert line.book.bridge.speaker(line.book.now) != "caller"


def test_what_was_not_heard_is_said_again_or_asked_for(capabilities):
    line = Line(capabilities)
    line.lasts(1.5)
    commands = line.gives_back("We are open from nine")
    commands += line.lasts(1, HUSH)
    if capabilities.yields_on_request:
        assert c.IgnoreTurn("i1") in commands
        assert not any(isinstance(each, c.TruncateReply) for each in commands)
    else:
        assert asked(commands)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (REPLY, "We are open from nine? No wait."),
        (REPLY, "from nine to five no wait"),
        (REPLY, "We are open?"),
        (REPLY, "from nine"),
        ("Your number is five five five one two.", "no five five six"),
        (CHOICE, "Tuesday at nine"),
        ("We have Tuesday at nine and Wednesday at ten. Which do you prefer?", "Tuesday at nine."),
        ("Tuesday at nine", "Yes."),
    ],
)
def test_words_of_the_callers_own_take_the_floor(capabilities, text, spoken):
    line = Line(capabilities, text)
    line.lasts(1.5)
    line.gives_back(spoken)
    line.lasts(0.2, HUSH)
    assert line.callers == [spoken]
    assert "echoes" not in line.counters


def test_who_repeats_a_number_to_confirm_it_speaks_on_when_the_agent_is_silent(capabilities):
    line = Line(capabilities, "Your code is five five five, and your name is Smith.")
    line.lasts(1.5)
    line.gives_back("five five five", seconds=1.0)
    assert line.callers == ["five five five"]


def test_the_same_words_behind_the_agents_are_the_callers(capabilities):
    line = Line(capabilities, "Your code is five five five.", pieces=10)
    line.lasts(1.3, HUSH)
    line.gives_back("five five five", seconds=0.9)
    assert line.callers == ["five five five"]


def test_the_same_words_long_after_the_agents_are_the_callers(capabilities):
    line = Line(capabilities, "Your code is five five five.", pieces=10)
    line.lasts(2.5, HUSH)
    line.gives_back("five five five", seconds=0.2)
    assert line.callers == ["five five five"]


def test_the_end_of_a_sentence_that_comes_back_behind_it_is_no_turn(capabilities):
    line = Line(capabilities, "How can I help you today?", pieces=10)
    line.lasts(1.2)
    commands = line.gives_back("help you today?", seconds=0.3)
    assert c.IgnoreTurn("i1") in commands
    assert line.callers == []
    assert asked(line.lasts(5, HUSH)) == []


@pytest.mark.parametrize("heard", [True, False])
def test_an_answer_to_it_is_not_said(capabilities, heard):
    line = Line(capabilities, "How can I help you today?", pieces=10)
    line.lasts(1.2)
    line.on(c.CallerSpeechStarted())
    line.lasts(0.3)
    line.on(c.CallerSpeechStopped())
    line.on(c.ReplyStarted("r2"))
    if heard:
        line.on(c.ReplyAudio("r2", SPEECH))
        line.lasts(0.1, HUSH)
    line.on(c.CallerTranscript("i1", "help you today", final=True))
    assert not is_heard(line.on(c.ReplyAudio("r2", SPEECH)))
    assert line.lasts(4, HUSH) == []


def test_an_answer_that_begins_behind_it_by_itself_is_not_said():
    line = Line(CUTS_ITSELF, "How can I help you today?", pieces=10)
    line.lasts(1.2)
    line.gives_back("help you today", seconds=0.3)
    assert not is_heard(line.says("r2", "Yes, today.", 2))
    assert line.counters["answers_in_vain"] == 1


@pytest.mark.parametrize("text", ["one moment please", "okay"])
def test_an_echo_of_a_filler_does_not_take_the_answer_away(capabilities, text):
    line = Line(capabilities, "We are the bakery.", pieces=5, lines=LINES)
    line.lasts(3, HUSH)
    line.on(c.CallerSpeechStarted())
    line.lasts(0.5)
    line.lasts(0.5, HUSH)
    line.on(c.CallerSpeechStopped())
    line.on(c.CallerTranscript("q", "When do you open?", final=True))
    line.lasts(2.7, HUSH)
    assert line.book.record.counters["fillers"] == 1
    line.lasts(0.1)
    line.on(c.CallerSpeechStarted())
    line.lasts(0.3)
    line.on(c.CallerSpeechStopped())
    line.on(c.CallerTranscript("e", text, final=True))
    line.lasts(0.5, HUSH)
    assert is_heard(line.says("r2", "At nine.", 2))


def test_a_goodbye_that_comes_back_takes_nothing_back(capabilities):
    line = Line(capabilities, "Thank you for calling us, have a very nice day.", pieces=20)
    asks(line.book)
    line.lasts(1.5)
    line.gives_back("Thank you for calling us have", seconds=0.3)
    assert "goodbyes_taken_back" not in line.counters
    if not capabilities.yields_on_request:  # it is asked for the rest
        line.says("r2", "A very nice day.", 2)
    assert isinstance(run_until_end(line.book)[-1], EndCall)


def test_pieces_that_are_too_short_go_on_with_an_echo():
    line = Line(YIELDS)
    line.lasts(1.5)
    line.gives_back("We are open")
    line.lasts(0.5)
    line.gives_back("from nine")
    assert line.callers == []
    assert line.counters["echoes"] == 2


def test_a_greeting_that_comes_back(capabilities):
    greeting = "Hello, this is the bakery. How can I help you?"
    line = Line(capabilities, greeting)
    line.lasts(0.5)
    line.gives_back("hello this is the bakery")
    assert line.callers == []


def test_a_language_without_words_of_its_own_is_not_judged():
    persona = Persona(name="p", model="m", greeting="Ahoj", language="cs")
    line = Line(YIELDS, "Máme otevřeno od devíti do pěti.", persona=persona)
    line.lasts(1.5)
    line.gives_back("máme otevřeno od devíti")
    assert line.callers == ["máme otevřeno od devíti"]


def test_words_alone_are_judged_as_well(capabilities):
    """Gemini says nothing of a sound that it does not take for an interruption, and writes it down."""
    line = Line(capabilities)
    line.lasts(1.5)
    line.on(c.CallerTranscript("i1", "We are open", final=False))
    commands = line.on(c.CallerTranscript("i1", "We are open from nine", final=True))
    assert c.IgnoreTurn("i1") in commands
    assert line.callers == []
    assert ClearPlayback() not in commands + line.lasts(3, HUSH)


@pytest.mark.parametrize("text", ["We are", "We are open"])
def test_an_answer_to_an_echo_that_is_not_written_to_its_end_is_not_said(text):
    """Gemini ends what it has written only when its turn is complete."""
    line = Line(CUTS_ITSELF)
    line.lasts(1.5)
    line.on(c.CallerSpeechStarted())
    line.on(c.ReplyDone("r1", interrupted=True))
    line.lasts(0.4)
    line.on(c.CallerTranscript("i1", text, final=False))
    is_told = text == "We are open"
    commands = line.says("r2", "Yes, from nine.", 2)
    assert is_heard(commands) is not is_told
    commands += line.on(c.CallerTranscript("i1", text, final=True)) + line.lasts(1, HUSH)
    assert len(asked(commands)) == is_told
    assert line.counters.get("echoes", 0) == is_told


def test_a_greeting_whose_text_comes_late_is_known_all_the_same(capabilities):
    persona = Persona(name="p", model="m", greeting="Hello, this is the bakery.")
    line = Line(capabilities, "", pieces=20, persona=persona)
    line.lasts(1)
    line.gives_back("this is the bakery", seconds=0.3)
    assert line.callers == []
