"""Tells apart what stands in the text of an answer: what is to be said, thoughts, and tool calls written as text.

Text in, in pieces that may end anywhere; what is to be said out, as soon as it is sure. Each letter is looked at a
bounded number of times. What is held back is bounded, too: what goes beyond it is neither said nor run.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import attrs

from trio_voice.protocols.chat.bare_names import (
    IDENTIFIER,
    letters_of_lone,
    lone_names,
    may_be_words,
    tool_alone,
    tool_in_words,
    tool_of,
)
from trio_voice.protocols.chat.blocks import Block
from trio_voice.protocols.chat.notations import (
    ANSWER_ENDS,
    BLOCKS,
    CALL_TAGS,
    OBSERVATION,
    SILENT,
    TAGS,
    THOUGHT_BEGINS,
    THOUGHT_ENDS,
)
from trio_voice.protocols.chat.openings import LONGEST_OPENING, Opening, opening_of
from trio_voice.protocols.chat.written_calls import MAX_WRITTEN, NAME_KEYS, Call, answer_in, calls_in, known_name

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_CALLS: Final = 16

_LANDMARK: Final = re.compile(
    r"<(?=[|｜/A-Za-z]|\s[/A-Za-z]|\s?\Z)|\[(?=[\w/{\s]|\Z)|`(?=[`A-Za-z_]|\Z)|[◁{✿]|>(?=>|\Z)|/(?=n|\Z)|\n(?=[\s#*UHCOAuhcoa]|\Z)|[*(](?=[A-Za-z]|\Z)|(?<![\w.])[A-Za-z_][\w.]{0,199}\("
)
"""Places where something else than speech may begin."""
_NAME: Final = re.compile(r"(?<![\w.])[A-Za-z_][\w.]{0,199}\Z")
_LONGEST_NAME: Final = 200
_WINDOW: Final = 256
_ORPHAN: Final = -1
_ORPHANS: Final = re.compile(rf"<\s?/\s?(?:{TAGS})>|\[/THINK(?:ING)?\]|◁/think▷", re.IGNORECASE)
_BRACKET: Final = re.compile(r"\[\s{0,9}(?:\{|[A-Za-z_][\w.]{0,60}\()")
"""A list of calls in JSON, or in Python."""
_BRACKET_SO_FAR: Final = re.compile(r"\[\s{0,9}(?:[A-Za-z_][\w.]{0,60})?")
_INLINE: Final = re.compile(rf'\{{\s{{0,9}}"(?:{"|".join((*NAME_KEYS, "tool_calls", "function_calls"))})"\s{{0,3}}:')
_INLINE_SO_FAR: Final = re.compile(r'\{\s{0,9}(?:"\w{0,20}"?\s{0,3})?')
"""A call in JSON, behind other words of the same line."""
_ANNOUNCING: Final = (
    *("tool:", "function:", "call:", "action:"),
    *("call ", "calls ", "calling ", "use ", "uses ", "using ", "run ", "runs ", "running ", "execute ", "executes "),
)
_ANNOUNCED: Final = rf"(?:(?i:{'|'.join(_ANNOUNCING)})\s{{0,3}}){{0,2}}"
_BARE_NAME: Final = r"[\w.]{1,200}(?:(?<=[a-zA-Z])[ -](?=[a-zA-Z])[\w.]{1,40}){0,4}"
_BARE: Final = re.compile(
    rf"[\[{{<*(`]{{1,2}}\s{{0,3}}{_ANNOUNCED}(?:the )?({_BARE_NAME}?)(?: (?:tool|function))?"
    r"\s{0,3}(?:\(\))?\s{0,3}(/?)[.!]?[\]}>*)`]{1,2}"
)
_BARE_SO_FAR: Final = re.compile(
    rf"[\[{{<*(`]{{1,2}}\s{{0,3}}{_ANNOUNCED}(?:the )?((?:{_BARE_NAME})?[ -]?)[\s()/.!]{{0,6}}"
)
"""A tool's name in brackets."""
_BRACKETS: Final = "[]{}<>*()` "
_PRINTED: Final = re.compile(r"print\(\s{0,3}([\w.]{1,200})\(")
_PRINTED_SO_FAR: Final = re.compile(r"print\(\s{0,3}([\w.]{0,200})")
_WITH_KEYWORDS: Final = re.compile(r"[\w.]{1,200}\(\s{0,9}\w{1,40}\s?=\s?[\"'\d\[{TFN]")
_KEYWORDS_SO_FAR: Final = re.compile(r"([\w.]{1,200})\(\s{0,9}(?:\w{1,40}\s?=?\s?)?")
_SENTENCE_BEGINS: Final = re.compile(r"(?:^|[\n.!?…:)])[ \t>*\"'-]{0,9}\Z")
_SIGNS_BEFORE: Final = re.compile(
    r"(?:^|[\n.!?…:)](?=\s)|[\n)])(?:[^\w\n.!?…:]|_){0,9}\Z|(?:^|[\n.!?…)])(?:[^\w\n/]|_){0,9}\Z"
)
_LINE_BEGINS: Final = re.compile(r"(?:^|\n)[ \t>*-]{0,9}\Z")
_PROSE: Final = frozenset({"", "text", "plaintext", "markdown", "md"})
"""Languages of a fence whose inside is an answer."""
_UNDECIDED: Final = re.compile(
    r"<\|(?:channel|start|start_header_id|im_start|recipient)\|?>[^<]{0,100}(?:<[^>]{0,30})?", re.IGNORECASE
)
"""Tokens whose meaning the next ones tell."""
_PARTIAL: Final = re.compile(
    r"<\s?[|｜/]{0,2}\s?[\w:▁]{0,30}\s{0,3}[|｜]?(?:\s{0,3}\w{0,40}(?:<\|\w{0,30}\|?)?)?|\[/?[A-Z_ ]{0,22}"
    r"|◁/?[a-z]{0,5}|`{1,2}|✿[A-Z]{0,8}✿?|>{1,3}[ \w.]{0,60}|/(?:no?|no_(?:t(?:h(?:i(?:nk?)?)?)?)?)?"
    rf"|(?i:<(?:{TAGS}|{CALL_TAGS}|details)\s[^<>]{{0,170}}|\n\s{{0,3}}[#*]{{0,4}}\s{{0,2}}[a-z]{{0,11}}\s?)",
)


@attrs.frozen
class Heard:
    """Outcome of a further piece of an answer's text."""

    said: str
    """To be spoken."""
    unsaid: bool = False
    """The text before this was thought and not said: its opening tag was missing."""


class AnswerText:
    """The text of one answer.

    Args:
        known: the tools that may be called.
        thinks_first: the answer begins with thoughts whose opening tag is missing.
    """

    def __init__(self, known: Collection[str] = (), *, thinks_first: bool = False) -> None:
        self._known = frozenset(known)
        self._lone = lone_names(self._known)
        self._landmark = _landmark(self._lone)
        self._rest = ""
        """Text that may become the beginning of something else than speech."""
        self._line = ""
        """The end of the line so far, as far as it tells whether it has begun."""
        self._thinking = thinks_first
        self._guessed = thinks_first
        self._kept: list[str] = []
        """Text that is only guessed to be a thought."""
        self._block: Block | None = None
        self._first: list[str] | None = []
        """The beginning, as long as it may turn out to be a role's name and not an answer's first words."""
        self._ends: re.Pattern[str] | None = None
        """The words that end thoughts which have no tokens around them."""
        self._answered = False
        """The answer is over, whatever comes."""
        self.calls: list[Call] = []
        """Those that were written into the text so far, at most ``MAX_CALLS``."""

    def add(self, text: str) -> Heard:
        """The next piece of the text. The work is linear in its letters."""
        return self._read(self._begin(text, last=False), last=False)

    def _begin(self, text: str, *, last: bool) -> str:
        """The part of the text that can be read by now; it may begin with the name of whoever speaks."""
        if self._first is None:
            return text
        self._first.append(text)
        so_far = "".join(self._first)
        opening = Opening() if self._thinking else opening_of(so_far, self._known, last=last)
        if opening is None:
            return ""
        self._first = None
        if opening.is_call:
            self._block = Block(OBSERVATION)
        if opening.ends is not None:
            self._thinking, self._guessed, self._ends = True, not opening.is_sure, opening.ends
        return so_far[opening.letters :]

    def end(self) -> Heard:
        """The text is over: what had to wait for that."""
        heard = self._read(self._begin("", last=True), last=True)
        said = [heard.said]
        if self._block is not None:
            said.append(self._end_block(self._block))
        elif self._thinking and self._guessed:  # nothing has ended the thoughts: they were the answer
            said += [*self._kept, self._rest]
        self._rest, self._kept, self._block = "", [], None
        return Heard("".join(said), unsaid=heard.unsaid)

    def _read(self, text: str, *, last: bool) -> Heard:
        buffer, self._rest = self._rest + text, ""
        said: list[str] = []
        unsaid, at = False, 0
        while at < len(buffer):
            if self._answered:
                break
            if self._block is not None:
                at, more = self._in_block(self._block, buffer, at)
                said += self._noted(more)
            elif self._thinking:
                at = self._in_thought(buffer, at, last=last)
                if self._thinking:
                    break
            else:
                start, at, unsaid_now = self._in_speech(buffer, at, last=last)
                if unsaid_now:
                    said, unsaid = [], True
                else:
                    said += self._noted(start)
                if self._rest:
                    break
        return Heard("".join(said), unsaid=unsaid)

    def _noted(self, text: str) -> list[str]:
        """Say a text, and remember how its line stands."""
        self._line = (self._line + text)[-LONGEST_OPENING:]
        return [text]

    def _in_speech(self, buffer: str, at: int, *, last: bool) -> tuple[str, int, bool]:
        """Read on until something else begins: what is said until then, where to go on, whether it was a thought."""
        found = self._landmark.search(buffer, at)
        if found is None:
            name = _NAME.search(buffer, max(at, len(buffer) - _LONGEST_NAME))
            if (
                last
                or name is None
                or not (
                    self._may_be_spelled(name[0])
                    or (self._may_name_a_tool(name[0]) and self._begins(_SENTENCE_BEGINS, buffer, at, name.start()))
                )
            ):
                return buffer[at:], len(buffer), False
            self._rest = name[0]
            return buffer[at : name.start()], len(buffer), False
        start = found.start()
        before, window = buffer[at:start], buffer[start : start + _WINDOW]
        is_all = start + len(window) == len(buffer) and not last
        begins_line = self._begins(_LINE_BEGINS, buffer, at, start)
        begins = begins_line or self._begins(_SENTENCE_BEGINS, buffer, at, start)
        length = self._lone_name(window, (self._line + before)[-LONGEST_OPENING:], is_all=is_all)
        if length == 0:
            length = self._opened_by(window, is_all=is_all, begins_line=begins_line, begins_sentence=begins)
        if length is None:
            self._rest = window
            return before, len(buffer), False
        if length == _ORPHAN:
            end = THOUGHT_ENDS.match(window)
            return "", start + (end.end() if end else 1), True
        if length or self._block is not None or self._answered:
            return before, start + length, False
        return before + found[0], found.end(), False

    def _lone_name(self, window: str, before: str, *, is_all: bool) -> int | None:
        """Letters of a tool's name that is all of a sentence, and a call; 0 and ``None`` as below."""
        lone = self._lone.match(window) if self._lone is not None else None
        if lone is None:
            return 0
        begins = _SIGNS_BEFORE.search(before) is not None
        length = letters_of_lone(window, lone.end(), before, begins_sentence=begins, is_all=is_all)
        return length and self._append(tool_of(lone[0], self._known), length)

    def _opened_by(self, window: str, *, is_all: bool, begins_line: bool, begins_sentence: bool) -> int | None:
        """Letters of the tag at the beginning of a window that are over with.

        0 if it is no tag, or stands in the block that it opens; ``_ORPHAN`` for the end of thoughts that had no
        beginning; ``None`` if more must come to tell.
        """
        if ANSWER_ENDS.match(window):
            self._answered = True
            return 0
        if window[0] in "<[◁`\n✿>/":
            if is_all and _UNDECIDED.fullmatch(window):
                return None
            if (thought := THOUGHT_BEGINS.match(window)) is not None:
                self._thinking = True
                return thought.end()
            if _ORPHANS.match(window):
                return _ORPHAN
            for opening, closing in BLOCKS:
                if (block := opening.match(window)) is not None:
                    self._block = Block(closing.format(block[1]))
                    return len(block[0]) if block[0].startswith("``") else 0  # other tags tell what is in them
            if (token := SILENT.match(window)) is not None:
                return token.end()
        if (bare := self._in_brackets(window, is_all=is_all, begins_sentence=begins_sentence)) != 0:
            return bare
        if self._calls(window) and (begins_sentence or _WITH_KEYWORDS.match(window)):
            self._block = Block("")
            return 0
        if begins_line and (window[0] == "{" or _BRACKET.match(window)):
            self._block = Block("")
            return 0
        if _INLINE.match(window):
            self._block = Block("")
            return 0
        if is_all and begins_line and _BRACKET_SO_FAR.fullmatch(window):
            return None
        if is_all and (so_far := _KEYWORDS_SO_FAR.fullmatch(window)) and known_name(so_far[1], self._known):
            return None
        if is_all and begins_sentence and (printed := _PRINTED_SO_FAR.fullmatch(window)):
            return None if self._may_name_a_tool(printed[1]) else 0
        return None if is_all and (_PARTIAL.fullmatch(window) or _INLINE_SO_FAR.fullmatch(window)) else 0

    def _in_brackets(self, window: str, *, is_all: bool, begins_sentence: bool) -> int | None:
        """Letters of a tool's name in brackets, which is a call without arguments; 0 and ``None`` as above."""
        bare = _BARE.match(window)
        if bare is None:
            so_far = _BARE_SO_FAR.fullmatch(window) if is_all else None
            begun = window[1:].lstrip().lower()
            may_announce = is_all and bool(self._known) and any(word.startswith(begun) for word in _ANNOUNCING)
            may_name = so_far is not None and (
                self._may_name_a_tool(_as_written(window, so_far[1])) or self._may_be_words(window, so_far[1])
            )
            return None if may_announce or may_name else 0
        name = known_name(_as_written(window, bare[1]), self._known)
        in_words = window[0] == "[" or begins_sentence
        if not name and in_words and not (window[0] == "(" and known_name(_as_written("[", bare[1]), self._known)):
            return self._append(tool_in_words(bare[0].strip(_BRACKETS), self._known), bare.end())
        if not name or not (
            IDENTIFIER.search(name) or window[0] == "<" or bare[0] != window[0] + bare[1] + bare[0][-1]
        ):
            return 0  # a word in brackets, be it that of a tool
        if window[0] == "<" and not bare[2]:
            self._block = Block(f"</{bare[1]}>")
            return 0
        return self._append(name, bare.end())

    def _append(self, name: str, letters: int) -> int:
        """Note a call without arguments; the letters that it is written in, 0 if it is none."""
        if name and len(self.calls) < MAX_CALLS:
            self.calls.append((name, {}))
        return letters if name else 0

    def _may_be_words(self, window: str, begun: str) -> bool:
        return window[0] in _BRACKETS and len(begun) < LONGEST_OPENING and may_be_words(begun, self._known)

    def _may_be_spelled(self, begun: str) -> bool:
        """True if the beginning of a word may become a tool's name, however that is spelled."""
        return any(tool.startswith(begun) for tool in self._known) or (
            self._lone is not None and any(_spelled(tool).startswith(_spelled(begun)) for tool in self._known)
        )

    def _calls(self, window: str) -> bool:
        """True if a known tool is called as in Python."""
        printed = _PRINTED.match(window)
        name, parenthesis, _ = window.partition("(")
        return bool(parenthesis and known_name(printed[1] if printed else name, self._known))

    def _may_name_a_tool(self, text: str) -> bool:
        qualified = ("default_api.", "functions.", "tools.", "print(")
        bare = next((text[len(start) :] for start in qualified if text.startswith(start)), text)
        return any(name.startswith(bare) for name in self._known) or any(start.startswith(text) for start in qualified)

    def _begins(self, beginning: re.Pattern[str], buffer: str, at: int, start: int) -> bool:
        """True if only blanks stand between the beginning of a line or sentence and a place in the buffer."""
        before = buffer[max(at, start - LONGEST_OPENING) : start]
        return beginning.search((self._line + before)[-LONGEST_OPENING:]) is not None

    def _in_thought(self, buffer: str, at: int, *, last: bool) -> int:
        end = self._ends.search(buffer, at) if self._ends is not None else None
        if end is None:
            end = THOUGHT_ENDS.search(buffer, at)
        if end is not None:
            self._thinking = self._guessed = False
            self._kept.clear()
            if end.groupdict().get("call"):
                self._block = Block(OBSERVATION)
                return end.start("call")
            return end.end()
        keep = len(buffer) if last else max(at, len(buffer) - 2 * LONGEST_OPENING)
        if self._guessed:
            self._kept.append(buffer[at:keep])
        self._rest = buffer[keep:]
        return len(buffer)

    def _in_block(self, block: Block, buffer: str, at: int) -> tuple[int, str]:
        """Read on to the end of the block: where that is, and what of it is said after all."""
        end = block.find_end(buffer, at)
        piece = buffer[at : len(buffer) if end is None else end]
        if block.letters < MAX_WRITTEN:
            block.text.append(piece)
        block.letters += len(piece)
        if end is None:
            return len(buffer), ""
        self._block = None
        return end, self._end_block(block)

    def _end_block(self, block: Block) -> str:
        """Find the calls in a block; returns what of it is said: nothing, unless it holds words of an answer."""
        text = "".join(block.text) if block.letters < 2 * MAX_WRITTEN else ""
        self._block = None
        if block.closing == OBSERVATION and text.endswith(OBSERVATION):
            self._answered = True
        calls = calls_in(text, self._known)
        self.calls += calls[: MAX_CALLS - len(self.calls)]
        if calls:
            return ""
        if block.closing == "```":
            language, _, inside = text.removesuffix("```").partition("\n")
            if self._append(tool_alone(inside, self._known), 1):
                return ""
            is_prose = language.strip().lower() in _PROSE and not inside.lstrip().startswith(("{", "["))
            return inside if is_prose else answer_in(text)
        return "" if block.closing else answer_in(text)


@lru_cache(maxsize=64)
def _landmark(lone: re.Pattern[str] | None) -> re.Pattern[str]:
    return _LANDMARK if lone is None else re.compile(f"{_LANDMARK.pattern}|(?i:{lone.pattern})")


def _spelled(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _as_written(window: str, name: str) -> str:
    """A tool's name as the code has it: some models write it larger, or with blanks, between square brackets."""
    return name.lower().replace(" ", "_").replace("-", "_") if window[0] == "[" else name
