"""The reference says what the code does: all of it, and nothing else."""

import re
import tomllib
from pathlib import Path

import generate
import pytest
from reference_pages import configuration, log_events, markdown, metrics, outcomes, routes
from reference_pages.markdown import Undocumented

from trio_voice.config.reading import read_settings
from trio_voice.errors import ConfigError

ROOT = Path(__file__).parents[2]
CREDENTIALS = dict.fromkeys(("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"), "k3y")


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_page_is_what_the_code_says(name):
    """The page is as the code says; if not: `make reference`, which names the place of a missing meaning."""
    page = generate.PAGES[name]()
    assert (ROOT / "docs" / "reference" / name).read_text() == page, "the page is out of date: make reference"


def test_no_page_is_left_of_what_is_made_no_more():
    made = {path.name for path in (ROOT / "docs" / "reference").glob("*.md") if markdown.MADE in path.read_text()}
    assert made == set(generate.PAGES)


def test_what_has_no_meaning_says_where_to_write_one(monkeypatch):
    monkeypatch.setattr(markdown, "meanings", lambda: {"log_events": {}, "routes": {}})
    with pytest.raises(Undocumented, match=r"'all_stopped' has no meaning: write one in docs/reference_pages/meanings"):
        log_events.page()
    with pytest.raises(Undocumented, match=r"'GET /' has no meaning"):
        routes.page()


def test_a_meaning_of_what_is_gone_is_a_mistake(monkeypatch):
    real = markdown.meanings()
    monkeypatch.setattr(markdown, "meanings", lambda: real | {"error_codes": real["error_codes"] | {"odd": "x"}})
    with pytest.raises(Undocumented, match=r"nothing in trio_voice is named odd"):
        outcomes.errors()


def test_a_key_without_a_meaning_is_a_mistake(monkeypatch):
    limits = next(each for each in configuration.tables() if each.heading == "[limits]")
    docs = markdown.attribute_docs(limits.kind)
    monkeypatch.setattr(configuration, "attribute_docs", lambda _: {**docs, "max_calls": ""})
    with pytest.raises(Undocumented, match=r"'max_calls' of \[limits\] has no meaning: .*class Limits"):
        configuration.keys_of(limits)


def test_all_that_findings_missed_is_there():
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    for key in ("api_url", "ring_seconds", "playback_lead_seconds", "keep_transcripts", "filler_after_seconds", "mode"):
        assert f"| `{key}` |" in text
    assert {"TRIO_VOICE_BOOT_ID", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"} <= set(configuration.variables())


def test_every_place_that_logs_is_found():
    found = {line.event for line in log_events.lines()}
    assert {"call_ended", "webhook_refused", "session_outlived_call", "journal_trouble", "work_bug"} <= found
    (ended,) = [line for line in log_events.lines() if line.event == "call_ended"]
    assert (ended.level, ended.facts[:2]) == ("warning or info", ("end_reason", "detail"))


def test_metrics_have_their_labels():
    labels = {each.name: each.labels for each in metrics.metrics()}
    assert labels["trio_voice_calls_ended_total"] == ("end_reason", "direction")
    assert labels["trio_voice_calls"] == ("state",)


# What the page says of values is what the reader takes


def documents(told_of):
    """A configuration with this table in it, and the path of the table in what is wrong with it."""
    document = {
        "server": {"public_url": "https://v.example.com"},
        "models": {"m": {"kind": "assemblyai-agent"}},
        "personas": {"p": {"model": "m"}},
        "prices": {"as_of": tomllib.loads("d = 2026-11-20")["d"]},
    }
    chain = {
        "kind": "chain",
        "stt": {"kind": "local"},
        "llm": {"kind": "openai-chat", "model": "x"},
        "tts": {"kind": "local"},
    }
    heading = told_of.heading
    match heading.split('"'):
        case [f, kind, _] if f.startswith("kind"):
            at = document["models"]["m"] = dict(chain) if kind == "chain" else {"kind": kind}
            return document, at, "models.m"
        case [f, kind, _]:
            stage = f.split()[0]
            needed = {"model": "x"} if stage == "llm" else {}
            document["models"]["m"] = chain | {stage: {"kind": kind, "credential": "", **needed}}
            if kind == "local":
                del document["models"]["m"][stage]["credential"]
            return document, document["models"]["m"][stage], f"models.m.{stage}"
    match heading:
        case "[models.NAME]":
            return document, document["models"]["m"], "models.m"
        case "A stage of a chain":
            document["models"]["m"] = chain
            return document, chain["llm"], "models.m.llm"
        case "[personas.NAME]":
            return document, document["personas"]["p"], "personas.p"
        case "turn_detection of a persona":
            at = document["personas"]["p"]["turn_detection"] = {}
            return document, at, "personas.p.turn_detection"
        case "[prices.twilio]" | "[prices.NAME]":
            name = "twilio" if "twilio" in heading else "m"
            at = document["prices"][name] = {}
            return document, at, f"prices.{name}"
        case _:
            name = heading.strip("[]")
            return document, document.setdefault(name, {}), name


def toml_of(value):
    match value:
        case dict():
            return "{ " + ", ".join(f'"{key}" = {toml_of(each)}' for key, each in value.items()) + " }"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return "[" + ", ".join(map(toml_of, value)) + "]"
        case _:
            return str(value)


@pytest.fixture
def complaints(tmp_path):
    """Words about a path of a configuration."""

    def complaints(document, path):
        file = tmp_path / "config.toml"
        file.write_text("\n".join(f"{key} = {toml_of(value)}" for key, value in document.items()))
        try:
            read_settings(file, CREDENTIALS)
        except ConfigError as wrong:
            lines = [line.removeprefix(f"{file}: ") for line in wrong.problems]
            return [line for line in lines if line.startswith(path)]
        return []

    return complaints


KEYS = [(told_of, key) for told_of in configuration.tables() for key in configuration.keys_of(told_of)]


@pytest.mark.parametrize(
    ("told_of", "key"),
    [pair for pair in KEYS if pair[1].type in ("number", "whole number")],
    ids=lambda each: getattr(each, "name", None) or each.heading,
)
def test_a_number_may_be_what_its_range_says_and_nothing_else(told_of, key, complaints):
    kind, step = (int, 1) if key.type == "whole number" else (float, 0.01)
    ends = [kind(end) for end in re.findall(r"[0-9.]+", key.span.partition(";")[0])]
    tries = {-1, 0, 1, 900, 1_000_000_000} | {value for end in ends for value in (end - step, end, end + step)}
    for value in sorted(value for value in tries if value <= 1_000_000_000):
        document, at, path = documents(told_of)
        at[key.name] = value
        wrong = [line for line in complaints(document, path) if key.name in line]
        assert bool(wrong) != allows(key.span, value), f"{value}: told {key.span!r}, and the reader says {wrong}"


def allows(span, value):
    """True if the words for a range let a value be."""
    first = span.partition(";")[0]
    spans, _, besides = first.partition(", or ")
    match spans.split():
        case []:
            return True
        case ["from", low, "to", high]:
            return float(low) <= value <= float(high) or besides == str(value)
        case ["more", "than", low]:
            return value > float(low)
        case ["more", "than", low, "and", "at", "most", high]:
            return float(low) < value <= float(high)
        case ["at", "least", low]:
            return value >= float(low)
    raise AssertionError(f"{span!r} is no range that this test understands")


@pytest.mark.parametrize(
    ("told_of", "key"),
    [pair for pair in KEYS if pair[1].type == "text" and pair[1].span],
    ids=lambda each: getattr(each, "name", None) or each.heading,
)
def test_a_text_may_be_one_of_those_that_are_told(told_of, key, complaints):
    words = [word.strip("` ") for word in key.span.partition(";")[0].split(",")]
    for value, is_right in [*((word, True) for word in words), ("nonsense", False)]:
        document, at, path = documents(told_of)
        at[key.name] = value
        if value == "beta":
            at["url"] = "wss://a.example.com"
        if value == "transfer":
            at["transfer_to"] = "+15551234567"
        assert bool(complaints(document, path)) != is_right, value


def test_every_key_is_of_a_table_that_can_be_read(complaints):
    for told_of in configuration.tables():
        document, _, path = documents(told_of)
        assert not complaints(document, path)
