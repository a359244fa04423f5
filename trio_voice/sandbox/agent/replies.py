"""Answers of the sandbox's agent: rules for a bakery's telephone, or any OpenAI-compatible language model.

A generator hears text and says text; sound, turns and the wire are its session's matter (``providers/``).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs
import httpx2
import trio

from trio_voice.sandbox.agent import keywords


@attrs.frozen
class Tool:
    """A tool that the session lists; ``parameters`` is a JSON Schema object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class ToolUse:
    """A wish to have a tool run."""

    name: str
    arguments: Mapping[str, Any] | str = attrs.field(factory=dict)
    """A text is what came of it when a model failed to write JSON."""

    @property
    def as_json(self) -> str:
        """The arguments, for a protocol in which they are a text."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))

    @property
    def as_object(self) -> dict[str, Any] | str:
        """The arguments, for a protocol in which they are an object; broken ones are none."""
        return self.arguments if isinstance(self.arguments, str) else dict(self.arguments)


@attrs.frozen
class Line:
    """One line of a session's history.

    ``role`` is ``caller``, ``agent``, ``tool`` (then ``tool`` says which, ``text`` is its result) or ``instruction``
    (what ``reply.create`` asked for).
    """

    role: str
    text: str
    tool: ToolUse | None = None
    failed: bool = False


@attrs.frozen
class Reply:
    """Steps to take: say ``text``, then run ``tool``, then end the session if it ``ends``. Each may be left out."""

    text: str = ""
    tool: ToolUse | None = None
    also: Sequence[ToolUse] = ()
    """Further tools, at the same time as ``tool``."""
    ends: bool = False

    @property
    def tools(self) -> Sequence[ToolUse]:
        """All the tools to run."""
        return () if self.tool is None else (self.tool, *self.also)


class ResponseGenerator(Protocol):
    """Decides what the agent answers. One for each session, because it may remember."""

    async def reply(self, heard: str, history: Sequence[Line], prompt: str, tools: Sequence[Tool], /) -> Reply:
        """The answer to what the caller said after ``history``.

        Where something else is to be answered ``heard`` is empty, and that is the history's last line: a tool's result
        or an instruction. Cancelling is safe.
        """


MOST_REFUSAL_LETTERS: Final = 300
"""Of a server's own words."""
APOLOGY: Final = "I am sorry, I lost my train of thought for a moment. Could you say that again?"

_INTENTS: Final[Mapping[str, Sequence[str]]] = {  # the first that fits wins: what must not be missed stands first
    "do_not_call": (
        *("do not call", "don't call", "dont call", "stop calling", "never call", "take me off", "remove me"),
    ),
    "human": (
        *("human", "real person", "a person", "representative", "operator", "manager", "transfer", "to someone"),
        *("to somebody", "put me through"),
    ),
    "random": ("random", "pick a number"),
    "goodbye": ("goodbye", "bye", "hang up", "that's all", "that is all", "see you", "nothing else"),
    "booking": ("book", "booking", "reserve", "reservation", "appointment", "schedule", "tasting"),
    "hours": ("opening", "hours", "are you open", "you open", "open on", "do you close", "closing"),
    "price": ("price", "prices", "cost", "costs", "how much", "expensive"),
    "menu": ("menu", "tell me about", "tell me more", "tell me everything", "do you have", "do you sell"),
    "repeat": ("repeat", "say that again", "say it again", "pardon", "what did you say", "come again"),
    "stop": ("stop", "wait", "hold on", "hang on", "one moment", "just a second", "be quiet"),
    "thanks": ("thanks", "thank you"),
    "greeting": ("hello", "hi", "hey", "good morning", "good afternoon", "good evening"),
}
_MENU: Final = (
    "With pleasure. We start baking at three in the morning, and the first thing out of the oven is our sourdough, "
    "which rests for two days before anybody may touch it. Then come the rye, the seeded loaf and the baguettes. "
    "At six we pull out the croissants, plain, with almonds, and with dark chocolate, and the cinnamon buns follow. "
    "In the case by the window there are lemon tarts, apple cake, carrot cake, and a walnut torte that my grandmother "
    "brought with her from Vienna. On Saturdays there is focaccia with rosemary, and on Sundays, if you come early, "
    "there are warm brioche rolls with orange and cardamom. We also make birthday cakes, wedding cakes, and small "
    "boxes of biscuits to give away. What sounds good to you?"
)
_ANSWERS: Final = {
    "do_not_call": "I am sorry for the trouble. We will not call you again. Goodbye.",
    "human": "I cannot put you through from here, but I can take a message. What shall I pass on?",
    "random": "My dice are in the other room, but seven has always been good to me.",
    "goodbye": "Thank you for calling. Goodbye!",
    "hours": "We are open from seven in the morning until six in the evening, Tuesday to Sunday. On Mondays we rest.",
    "price": "A loaf is four dollars, a croissant is three, and cakes begin at thirty. What did you have in mind?",
    "menu": _MENU,  # long on purpose: something to interrupt
    "stop": "Sure. Go ahead.",
    "thanks": "You are welcome. Is there anything else?",
    "greeting": "Hello! How can I help you today?",
}
_TOOL_FOR: Final = {
    "do_not_call": "mark_do_not_call",
    "human": "transfer_to_human",
    "random": "generate_random_number",
    "goodbye": "end_call",
}
_BEFORE_TOOL: Final = {"end_call": _ANSWERS["goodbye"]}
_AFTER_TOOL: Final = {
    "end_call": "",
    "transfer_to_human": "I am putting you through now. One moment, please.",
    "mark_do_not_call": "I have taken you off our list. We will not call you again. Goodbye.",
}
_YES: Final = ("yes", "yeah", "yep", "right", "correct", "sure", "perfect", "sounds good", "okay")
_NO: Final = ("no", "nope", "wrong", "not right", "change")
_WHEN: Final = "What day and time would suit you?"
_DURING_BOOKING: Final = frozenset({None, "booking", "greeting", "thanks"})
"""Intents that may be part of an answer to a question about the booking; anything else is another wish."""
_VERBS: Final = frozenset({"get", "set", "check", "find", "look", "lookup", "up", "fetch", "the", "a", "to", "of"})
"""Words of a tool's name that nobody says."""


@attrs.define
class _Booking:
    day: str = ""
    time: str = ""
    name: str = ""
    asked: str = ""

    def when(self) -> str:
        return f"{self.day or 'tomorrow'} at {self.time}"


class KeywordResponses:
    """A friendly receptionist of a small bakery, made of keywords. Deterministic, instant, forgiving of bad hearing.

    The tools ``end_call``, ``transfer_to_human``, ``mark_do_not_call`` and ``generate_random_number`` are used where
    the session lists them. Any other is used when its name's words are said (``get_order_status`` for "what is my order
    status"), with arguments guessed from what was said.
    """

    def __init__(self) -> None:
        self._booking: _Booking | None = None

    async def reply(self, heard: str, history: Sequence[Line], _prompt: str, tools: Sequence[Tool], /) -> Reply:
        """By the first rule that fits, else a question that quotes what was heard. Never waits."""
        if not heard:
            return _react(history[-1]) if history else Reply(_ANSWERS["greeting"])
        words = keywords.words_of(heard)
        intent = next((intent for intent, phrases in _INTENTS.items() if keywords.holds(words, phrases)), None)
        tool = next((tool for tool in tools if _calls_for(tool, intent, words)), None)
        if tool is not None:
            return Reply(_BEFORE_TOOL.get(tool.name, ""), ToolUse(tool.name, _arguments(tool, words, heard)))
        if intent == "booking" or (self._booking and intent in _DURING_BOOKING):
            answer = self._book(words)
            if answer:
                return Reply(answer)
        if intent == "repeat":
            said = next((line.text for line in reversed(history) if line.role == "agent" and line.text), None)
            return Reply(f"Of course. I said: {said}" if said else "I have not said anything yet. How can I help?")
        if intent in _ANSWERS:
            return Reply(_ANSWERS[intent])
        return Reply(
            f'I heard you say "{heard.strip()}", and I am not sure what you need. '
            "Would you like our opening hours, our prices, or to book a cake tasting?"
        )

    def _book(self, words: list[str]) -> str:
        """Take down what was said and ask for what is missing; empty if this was about something else."""
        booking = self._booking = self._booking or _Booking()
        if booking.asked == "right?":
            if keywords.holds(words, _NO):
                self._booking = _Booking(name=booking.name, asked="time")
                return f"No problem. {_WHEN}"
            if keywords.holds(words, _YES):
                self._booking = None
                return f"Lovely, your tasting {booking.when()} is booked. We look forward to seeing you."
        time = keywords.time_in(words, asked=booking.asked == "time")
        name = keywords.name_in(words, asked=booking.asked == "name" and not time)
        day = keywords.day_in(words)
        if booking.asked and not (day or time or name):
            return ""
        booking.day, booking.time, booking.name = day or booking.day, time or booking.time, name or booking.name
        if not booking.time:
            booking.asked = "time"
            return f"What time on {booking.day} would suit you?" if booking.day else _WHEN
        if not booking.name:
            booking.asked = "name"
            return f"We have room {booking.when()}. What name shall I put it under?"
        booking.asked = "right?"
        return f"Let me read that back: a cake tasting {booking.when()}, for {booking.name}. Is that right?"


def _calls_for(tool: Tool, intent: str | None, words: Sequence[str]) -> bool:
    if tool.name in _TOOL_FOR.values():
        return _TOOL_FOR.get(intent or "") == tool.name
    telling = [word for word in tool.name.lower().split("_") if word not in _VERBS]
    return bool(telling) and all(keywords.holds(words, (word,)) for word in telling)


def _arguments(tool: Tool, words: Sequence[str], heard: str) -> dict[str, Any]:
    """Values that were said, for every parameter that one can be told of; a guess for the required others."""
    numbers = keywords.numbers_in(words)
    arguments: dict[str, Any] = {}
    for name, schema in tool.parameters.get("properties", {}).items():
        kind, choices = schema.get("type"), schema.get("enum", ())
        said = [choice for choice in choices if keywords.holds(words, (str(choice).lower(),))]
        if said:
            arguments[name] = said[0]
        elif numbers and kind in {"integer", "number"}:
            arguments[name] = numbers.pop(0)
        elif name in tool.parameters.get("required", ()):
            arguments[name] = choices[0] if choices else _GUESSES.get(kind, _guess_nothing)(name, heard)
    return arguments


def _guess_number(name: str, _heard: str) -> int:
    return 100 if "max" in name or "high" in name else 1


def _guess_nothing(_name: str, _heard: str) -> None:
    return None


_GUESSES: Final[Mapping[Any, Callable[[str, str], Any]]] = {
    "string": lambda _name, heard: heard,
    "integer": _guess_number,
    "number": _guess_number,
    "boolean": lambda _name, _heard: True,
    "array": lambda _name, _heard: [],
    "object": lambda _name, _heard: {},
}


_DICTATION: Final = re.compile(
    r"\b(?:say|repeat|read|speak|tell)\b[^:\"“]*(?::\s*[\"“]?|[\"“])\s*(.+?)[\"”]?\s*$", re.IGNORECASE | re.DOTALL
)


def words_to_say(instruction: str) -> str:
    """The words that an instruction dictates, as anybody would understand it who speaks English.

    Behind a verb of saying they stand after a colon or between quotation marks, whatever the rest of the sentence is.
    One that dictates nothing is said as it stands, which is the best that somebody who does not understand can do.
    """
    dictated = _DICTATION.search(instruction)
    return dictated[1] if dictated else instruction


def _react(line: Line) -> Reply:
    """To a tool's result or to an instruction."""
    if line.role == "instruction":
        if "ask them to say it again" in line.text:  # whoever is asked to answer now has not understood
            return Reply("I am sorry, I did not quite hear that. Could you say it again?")
        return Reply(words_to_say(line.text) or "Is there anything I can help with?")
    name = line.tool.name if line.tool else ""
    if line.failed:
        return Reply("I am sorry, that did not work just now. Is there anything else I can do?")
    number = re.search(r"-?\d+", line.text)
    if name == "generate_random_number" and number:
        return Reply(f"Your random number is {number[0]}.")
    return Reply(_AFTER_TOOL[name] if name in _AFTER_TOOL else f"Here is what I found: {_spoken(line.text)}.")


def _spoken(result: str) -> str:
    """A tool's result, normally JSON, in words."""
    try:
        value = json.loads(result)
    except ValueError:
        return result
    if isinstance(value, dict):
        return ", ".join(f"{str(key).replace('_', ' ')} is {inner}" for key, inner in value.items())
    return str(value)


class ChatResponses:
    """Any server of OpenAI's chat-completions kind, asked without streaming.

    Args:
        client: whose connections are used; its owner closes it.
        url: up to and without ``/chat/completions``, such as ``http://127.0.0.1:11434/v1``.
        model: its name there.
        key: the bearer token, where the server wants one.
        deadline_seconds: after this, or on any failure, the answer is a spoken apology; ``last_failure`` says why.
        on_failure: told the same.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        url: str,
        model: str,
        *,
        key: str | None = None,
        deadline_seconds: float = 10,
        on_failure: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.last_failure = ""
        self._on_failure = on_failure
        self._client = client
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._deadline_seconds = deadline_seconds

    async def reply(self, heard: str, history: Sequence[Line], prompt: str, tools: Sequence[Tool], /) -> Reply:
        """The model's words and wishes. Cancelling is safe; a failure is an apology, never an exception."""
        body: dict[str, Any] = {"model": self._model, "messages": list(_chat_messages(heard, history, prompt))}
        if tools:
            body["tools"] = [{"type": "function", "function": attrs.asdict(tool, recurse=False)} for tool in tools]
        try:
            with trio.fail_after(self._deadline_seconds):
                response = await self._client.post(self._url, json=body, headers=self._headers, timeout=None)
            return _read_completion(response.raise_for_status().json())
        except trio.TooSlowError:
            self.last_failure = f"no answer within {self._deadline_seconds:g} s"
        except httpx2.HTTPStatusError as refusal:
            said = " ".join(refusal.response.text.split())[:MOST_REFUSAL_LETTERS]
            self.last_failure = f"{refusal.response.status_code}: {said}"
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, LookupError, TypeError, AttributeError) as failure:
            self.last_failure = f"{type(failure).__name__}: {failure}"
        self._on_failure(self.last_failure)
        return Reply(APOLOGY)


_CHAT_ROLES: Final = {"caller": "user", "agent": "assistant", "tool": "system", "instruction": "system"}


def _chat_messages(heard: str, history: Sequence[Line], prompt: str) -> Iterator[dict[str, Any]]:
    if prompt:
        yield {"role": "system", "content": prompt}
    for number, line in enumerate(history):
        if line.tool is not None:
            call_id = f"call_{number}"  # only has to be the same in both: the voice session's ids mean nothing here
            function = {"name": line.tool.name, "arguments": line.tool.as_json}
            calls = [{"id": call_id, "type": "function", "function": function}]
            yield {"role": "assistant", "content": None, "tool_calls": calls}
            yield {"role": "tool", "tool_call_id": call_id, "content": line.text}
        elif line.text:
            yield {"role": _CHAT_ROLES[line.role], "content": line.text}
    if heard:
        yield {"role": "user", "content": heard}


def _read_completion(answer: Any) -> Reply:
    """The first choice of a completion; for whatever is none, one of the errors that ``reply`` catches."""
    message = answer["choices"][0]["message"]
    text = (message.get("content") or "").strip()
    calls = message.get("tool_calls")
    if not calls:
        return Reply(text)
    function = calls[0]["function"]  # one at a time: the session comes back with its result
    arguments = json.loads(function["arguments"] or "{}")
    return Reply(text, ToolUse(function["name"], {**arguments}))
