"""Tool calls that a model has written into its text, in the notations of the models that do so.

A server that does not understand its own model's notation passes it on as text (small models on Ollama, llama.cpp and
vLLM without a parser; seen in issue trackers, 2024 to 2026). What is a call of a known tool is run; nothing of it is
ever spoken. Notations: JSON objects with a name and arguments (Hermes, Llama, Mistral, Cohere), ``<function=NAME>``
with JSON or ``<parameter=KEY>`` (Llama, Qwen-Coder), ``<invoke name="NAME">`` (Anthropic), ``<arg_key>`` (GLM), an
element of the tool's name, a name before JSON (Mistral, DeepSeek, Kimi, gpt-oss), and Python's ``NAME(key=value)``
(Llama, Gemma).
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from trio_voice.protocols.json_messages import NO_JSON, without_halves

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_WRITTEN: Final = 32_768
"""Letters of one block that are looked at."""
MAX_VALUES: Final = 16
"""JSON values of one block that are looked at."""

NAME_KEYS: Final = ("name", "tool", "tool_name", "function", "function_name", "action", "recipient_name")
ARGUMENT_KEYS: Final = (
    *("arguments", "parameters", "args", "input", "params", "kwargs", "tool_input", "action_input", "tool_parameters"),
)
_LIST_KEYS: Final = ("tool_calls", "function_calls", "calls", "tool_uses")
_ANSWER_KEYS: Final = ("response", "answer", "content", "text", "message", "reply", "speech", "say")
_ANSWER_KEY: Final = re.compile(
    r"(?<![a-z])(?:answer|response|reply|text|message|content|output|speech|utterance|say|said|assistant)(?![a-z])",
    re.IGNORECASE,
)
_WRAPPERS: Final = frozenset({"data", "result", "turn", "agent"})
_CALL_KEYS: Final = frozenset(ARGUMENT_KEYS) - {"input"} | {"tool_calls", "function_call", "function", "tool"}
"""Keys of an object that is for a tool, be it one that nobody knows."""
_FUNCTION: Final = re.compile(r"<function[=(]\"?([\w.\-]{1,200})\"?\)?(?:>|(?=\{))", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"<parameter=\"?([\w.\-]{1,200})\"?>(.*?)</parameter>", re.IGNORECASE | re.DOTALL)
_INVOKE: Final = re.compile(r"<invoke name=\"([\w.\-]{1,200})\">", re.IGNORECASE)
_INVOKED: Final = re.compile(r"<parameter name=\"([\w.\-]{1,200})\"[^>]{0,100}>(.*?)</parameter>", re.DOTALL)
_ARGUMENT: Final = re.compile(r"<arg_key>([^<]{1,200})</arg_key>\s{0,9}<arg_value>(.*?)</arg_value>", re.DOTALL)
_PREFIX: Final = re.compile(r"<(/?)(?:[a-z]{2,12}:|｜DSML｜)")
"""Prefixes that some models put before the names of their tags."""
_ELEMENT: Final = re.compile(r"\s{0,9}<([\w.]{1,200})>")
_CHILD: Final = re.compile(r"<([\w.\-]{1,200})>([^<]*)</([\w.\-]{1,200})>")
_JSON_BEGINS: Final = re.compile(r"[{\[]")
_MARKS: Final = re.compile(r"```(?:json)?|<\|[^|<>\s]{1,40}\|>|</?tool_call>|</s>")
"""Marks that models leave around a tool's arguments."""
_QUOTES: Final = re.compile(r"<escape>|<\|\"\|>")
_BARE_KEY: Final = re.compile(r"(?<=[{,])\s{0,9}([A-Za-z_]\w{0,100})\s{0,9}:")
"""Quotes and keys as Gemma writes them."""
_TOOL_NAME: Final = re.compile(r"<(?:tool_)?name>\s{0,9}([\w.]{1,200})\s{0,9}</(?:tool_)?name>")
_BEFORE_ARGUMENTS: Final = re.compile(
    r"\s{0,9}(?:json|arguments?|parameters?|args)?\s{0,3}[:=]?\s{0,9}(?=\{)", re.IGNORECASE
)
_BEHIND_ARGUMENTS: Final = re.compile(r"[\s}\])]{0,20}(?:(?://|#|/\*)[^{}]{0,500})?")
"""Words, brackets and comments that models leave around the JSON of a tool's arguments."""
_KEYWORD: Final = re.compile(r"\(\s{0,9}\w{1,40}\s?=")
_TRAILING: Final = re.compile(r",\s{0,9}(?=[}\]])")
_NO_BLANK: Final = re.compile(r"[^\s,;]")
_QUALIFIER: Final = re.compile(r"\A(?:functions?|tools?|default_api)[.:/]")
"""Namespaces that models put before a tool's name."""
_NEAR: Final = 120
"""Letters that may stand between a tool's name and its arguments."""

Call = tuple[str, dict[str, Any]]


def calls_in(block: str, known: Collection[str]) -> list[Call]:
    """The calls of known tools in a block of text; empty if it is none of the notations. Never raises."""
    block = _PREFIX.sub(r"<\1", without_halves(block[:MAX_WRITTEN]))
    if _QUOTES.search(block):
        block = _BARE_KEY.sub(r'"\1":', _QUOTES.sub('"', block))
    calls = [call for value in values_in(block) for call in _calls_of(value, known)]
    if not calls and _TRAILING.search(block):
        calls = [call for value in values_in(_TRAILING.sub("", block)) for call in _calls_of(value, known)]
    if not calls and "'" in block:
        inside = block[block.find("{") : block.rfind("}") + 1]
        calls = [call for value in _python_object(inside) for call in _calls_of(value, known)]
    if calls or block.lstrip().startswith("{"):
        return calls
    return (
        [*_tagged(block, known, _FUNCTION, _PARAMETER)]
        or [*_tagged(block, known, _INVOKE, _INVOKED)]
        or [*_as_elements(block, known)]
        or [*_in_elements(block, known)]
        or [*_named(block, known)]
    )


def answer_in(block: str) -> str:
    """The text of an answer that a model has wrapped in JSON of its own; empty if it is none."""
    return _answer_of(next(values_in(block[:MAX_WRITTEN]), None))


def _answer_of(value: Any, depth: int = 3) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "".join(_answer_of(part, depth - 1) for part in value[:MAX_VALUES] if isinstance(part, dict))
    if not isinstance(value, dict) or not depth:
        return ""
    if str(value.get("action")).lower().startswith("final"):  # LangChain's
        return _answer_of(value.get("action_input"), depth - 1)
    if not value.keys().isdisjoint(_CALL_KEYS):
        return ""
    usual = [key for key in _ANSWER_KEYS if isinstance(value.get(key), str)]
    keys = usual or [key for key in value if _ANSWER_KEY.search(key)] or [key for key in value if key in _WRAPPERS]
    return _answer_of(value[keys[0]], depth - 1) if len(keys) == 1 else ""


def values_in(text: str) -> Iterator[Any]:
    """The JSON objects and lists in a text, one after the other."""
    decoder, at = json.JSONDecoder(strict=False), 0
    for _ in range(MAX_VALUES):
        begins = _JSON_BEGINS.search(text, at)
        if begins is None:
            return
        try:
            value, at = decoder.raw_decode(text, begins.start())
        except (ValueError, RecursionError):
            at = begins.end()
        else:
            yield value


def objects_in(text: str) -> list[dict[str, Any]]:
    """The JSON objects, or Python's, that a text is made of, with nothing else but marks between them; else none."""
    text = without_halves(_MARKS.sub(" ", text[:MAX_WRITTEN]))
    decoder, at = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    while len(found) < MAX_VALUES:
        begins = _NO_BLANK.search(text, at)
        if begins is None:
            return found
        try:
            value, at = decoder.raw_decode(text, begins.start())
        except (ValueError, RecursionError):
            return _python_object(text) if not found else []
        if not isinstance(value, dict):
            return []
        found.append(value)
    return found


def arguments_written(text: str, name: str) -> list[dict[str, Any]]:
    """A tool's arguments that are nearly JSON, or are Python's keywords; none if they cannot be told for sure."""
    text = without_halves(_MARKS.sub(" ", text[:MAX_WRITTEN])).strip()
    before = _BEFORE_ARGUMENTS.match(text)
    if before is None:
        keywords = text.removeprefix(name)
        keywords = keywords if keywords.startswith("(") else f"({keywords})"
        found = _of_python(keywords) if _KEYWORD.match(keywords) else None
        return [found] if found else []
    text = text[before.end() :]
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return _python_object(_BARE_KEY.sub(r'"\1":', text))
    return [value] if isinstance(value, dict) and _BEHIND_ARGUMENTS.fullmatch(text, end) else []


def _python_object(text: str) -> list[dict[str, Any]]:
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return []
    return [value] if isinstance(value, dict) and all(isinstance(key, str) for key in value) else []


def _calls_of(value: dict[str, Any] | list[Any], known: Collection[str]) -> Iterator[Call]:
    if isinstance(value, list):
        for each in value[:MAX_VALUES]:
            if isinstance(each, dict):
                yield from _calls_of(each, known)
        return
    for key in _LIST_KEYS:
        if isinstance(value.get(key), list):
            yield from _calls_of(value[key], known)
            return
    for key in ("function", "function_call", "tool_call"):
        if isinstance(value.get(key), dict):
            yield from _calls_of(value[key], known)
            return
    name = next((found for key in NAME_KEYS if (found := known_name(value.get(key), known))), "")
    if name:
        given: Any = next((value[key] for key in ARGUMENT_KEYS if key in value), {})
        arguments = _object(given)
        if arguments is not None:
            yield name, arguments
    elif len(value) == 1:
        ((key, given),) = value.items()
        if (name := known_name(key, known)) and isinstance(given, dict):
            yield name, given


def known_name(name: Any, known: Collection[str]) -> str:
    """The tool of this name; empty if there is none."""
    if not isinstance(name, str):
        return ""
    bare = _QUALIFIER.sub("", name.partition("<|")[0].strip(), count=1)
    bare = bare.partition(":")[0].removesuffix("()").removesuffix(".call")
    return bare if bare in known else ""


def _to_last(text: str, closing: str) -> str:
    """A text up to the last closing tag, behind which a search for one would be in vain, once for each opening tag."""
    return text[: text.rfind(closing) + len(closing)] if closing in text else ""


def _object(given: Any) -> dict[str, Any] | None:
    """Arguments, which may be JSON text once more."""
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given or "{}")
        except NO_JSON:
            return None
    return given if isinstance(given, dict) else {} if given in (None, []) else None


def _tagged(block: str, known: Collection[str], opening: re.Pattern[str], parameter: re.Pattern[str]) -> Iterator[Call]:
    """Calls between tags that name the tool."""
    found = [*opening.finditer(block)][:MAX_VALUES]
    for at, tag in enumerate(found):
        name = known_name(tag[1], known)
        body = block[tag.end() : found[at + 1].start() if at + 1 < len(found) else None]
        if not name:
            continue
        parameters = {key: _value(text) for key, text in parameter.findall(_to_last(body, "</parameter>"))}
        whole = next(values_in(body), None) if not parameters else None
        yield name, whole if isinstance(whole, dict) else parameters


def _named(block: str, known: Collection[str]) -> Iterator[Call]:
    """Calls that are a tool's name, and then its arguments in one notation or another."""
    if not known:
        return
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    name_of_a_tool, at = re.compile(rf"(?<!\w)(?:{names})(?!\w)"), 0
    for _ in range(MAX_VALUES):
        found = name_of_a_tool.search(block, at)
        if found is None:
            return
        name, at = found[0], found.end()
        rest = block[at:]
        pairs = {key.strip(): _value(text) for key, text in _ARGUMENT.findall(_to_last(rest, "</arg_value>"))}
        begins = _JSON_BEGINS.search(rest[:_NEAR])
        if rest.removeprefix(".call").startswith("("):
            arguments = _of_python(rest.removeprefix(".call"))
            if arguments is not None:
                yield name, arguments
        elif pairs:
            yield name, pairs
        elif begins is not None:
            try:
                value, length = json.JSONDecoder().raw_decode(rest, rest.index("{", 0, _NEAR))
            except (ValueError, RecursionError):
                continue
            at += length
            yield name, value
        elif not rest.replace("</tool_call>", "").strip(" \n\r\t>"):
            yield name, {}


def _as_elements(block: str, known: Collection[str]) -> Iterator[Call]:
    """A call that is an element of a tool's name, with one element for each argument."""
    element = _ELEMENT.match(block)
    if element is not None and (name := known_name(element[1], known)):
        children = _CHILD.findall(block[element.end() :])[:MAX_VALUES]
        yield name, {key: _value(text) for key, text, closing in children if key == closing}


def _in_elements(block: str, known: Collection[str]) -> Iterator[Call]:
    """A call whose name and arguments are elements."""
    named = _TOOL_NAME.search(block)
    if named is not None and (name := known_name(named[1], known)):
        whole = next(values_in(block[named.end() :]), None)
        children = _CHILD.findall(block[named.end() :])[:MAX_VALUES]
        found = {key: _value(text) for key, text, closing in children if key == closing}
        yield name, whole if isinstance(whole, dict) else found


def _of_python(rest: str) -> dict[str, Any] | None:
    """The keyword arguments of ``(key=value, ...)`` at the beginning of a text; ``None`` if it is no such call."""
    inside = rest[1:].lstrip()
    if inside.startswith("{"):
        try:
            value, length = json.JSONDecoder().raw_decode(inside)
        except (ValueError, RecursionError):
            return None
        return value if inside[length:].lstrip().startswith(")") else None
    depth, quote, skip = 0, "", False
    for at, letter in enumerate(rest):
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return _literals(rest[: at + 1])
    return None


def _literals(parenthesis: str) -> dict[str, Any] | None:
    try:
        call = ast.parse(f"f{parenthesis}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not all(keyword.arg for keyword in call.keywords):
            return None
        return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None


def _value(text: str) -> Any:
    """A value between tags: JSON if it is some, else the text."""
    try:
        return msgspec.json.decode(text.strip())
    except NO_JSON:
        return text.strip()
