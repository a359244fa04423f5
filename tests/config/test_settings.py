"""config.toml: a file that is right, and where its credentials are."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from tests.config.files import ENVIRONMENT, GOOD
from trio_voice.billing.cost import SessionCost, session_cost
from trio_voice.billing.prices import UNITS, ModelPrices
from trio_voice.call.call import wall_clock
from trio_voice.config.credentials import SECRETS, read_secrets
from trio_voice.config.reading import read_settings
from trio_voice.config.warnings import warnings_about
from trio_voice.legs.providers import KINDS
from trio_voice.persona import TurnDetection
from trio_voice.session_record import Closing, ModelSessionRecord


def test_a_good_file(read):
    settings = read(GOOD)
    assert settings.server.address == ("127.0.0.1", 0)
    assert settings.limits.time_limit_seconds == 60
    assert settings.limits.close_seconds == 2
    assert settings.personas["receptionist"].turn_detection == TurnDetection(vad_threshold=0.5)
    assert settings.numbers["+15551234567"] == "receptionist"


def test_what_the_shipped_file_has_commented_out_is_right_too(read):
    shipped = Path(__file__).parents[2] / "config.toml"
    blocks = [block.splitlines() for block in re.split("\n\n+", shipped.read_text())]
    examples = [
        [line.removeprefix("# ") for line in block]
        for block in blocks
        if block[0].startswith(("# [models.", "# [prices."))
    ]
    settings = read("\n".join(line for block in [*blocks, *examples] for line in block))
    kinds = {model.kind for model in settings.models.values()}
    assert kinds == set(KINDS)
    # A price for each meter that these models have, and what a table says for a million of each.
    meters = {meter: 1_000_000.0 for meter in UNITS if meter.endswith("_tokens")}
    for name, kind, amounts, cost in (
        ("openai", "openai-realtime", meters | {"audio_seconds": 60.0}, 124.8045),
        ("grok", "openai-realtime", {"text_items": 2.0}, 0.058),
        ("gemini", "gemini-live", meters, 24.0),
    ):
        session = ModelSessionRecord(kind, wall_clock(), model=name, seconds=60.0, closing=Closing.ACKNOWLEDGED)
        session.add_usage(amounts)
        assert session_cost(session, settings.prices) == SessionCost(pytest.approx(cost))


def test_the_file_that_is_shipped():
    shipped = Path(__file__).parents[2] / "config.toml"
    settings = read_settings(shipped, ENVIRONMENT)
    assert settings.personas[settings.numbers["default"]].greeting
    assert not [line for line in warnings_about(settings, settings.prices.as_of) if "price" in line]


def test_prices(read):
    prices = read(GOOD).prices
    assert (prices.as_of, prices.currency) == (date(2026, 11, 20), "USD")
    assert (prices.twilio.inbound_minute, prices.twilio.outbound_minute) == (0.0085, None)
    assert prices.of("aai", "assemblyai-agent") == ModelPrices(minute=0.075, unacknowledged_seconds=30)
    assert read(GOOD.partition("[prices]")[0]).prices is None


def test_a_persona_has_its_language_and_its_phrases(read):
    plain = read(GOOD).personas["receptionist"]
    assert (plain.language, plain.backchannels, plain.fillers) == ("en-US", (), None)
    assert (plain.still_there, plain.idle_goodbye, plain.greeting_interruptible) == (None, None, True)
    assert (plain.min_interruption_ms, plain.min_interruption_words) == (None, None)
    text = GOOD.replace(
        "tools = []",
        """language = "de-AT"
backchannels = ["passt schon"]
fillers = []
still_there = "Hallo?"
idle_goodbye = "Servus."
greeting_interruptible = false""",
    ).replace("vad_threshold = 0.5", "min_interruption_ms = 200, min_interruption_words = 2")
    persona = read(text).personas["receptionist"]
    assert (persona.language, persona.backchannels, persona.fillers) == ("de-AT", ("passt schon",), ())
    assert (persona.still_there, persona.idle_goodbye, persona.greeting_interruptible) == ("Hallo?", "Servus.", False)
    assert (persona.min_interruption_ms, persona.min_interruption_words) == (200, 2)
    assert read(GOOD).limits.dead_air_seconds == 2.5


def test_numbers_may_be_written_as_people_write_them(read):
    settings = read(
        GOOD.replace('"AC1"', '"AC1"\nfrom_number = "+1 555-000-1111"\nallowed_prefixes = ["+1 (555)", "+49"]')
        .replace("tools = []", 'transfer_to = "+49 (0)30 901820"')
        .replace('"+15551234567"', '"sip:desk@example.com" = "receptionist"\n"+1 (555) 123-4567"')
    )
    assert settings.twilio.from_number == "+15550001111"
    assert settings.twilio.allowed_prefixes == ("+1555", "+49")
    assert settings.personas["receptionist"].transfer_to == "+4930901820"
    assert settings.numbers.keys() == {"default", "sip:desk@example.com", "+15551234567"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "A\0", " "])
def test_a_credential_is_named_like_a_variable(problems, name):
    chain = 'kind = "chain"\nstt = { kind = "local" }\ntts = { kind = "local" }\n'
    llm = f'llm = {{ kind = "openai-chat", model = "m", url = "http://x", credential = {json.dumps(name)} }}'
    found = problems(GOOD.replace('kind = "assemblyai-agent"', chain + llm).partition("[prices.")[0])
    assert any("must be the name of a variable" in line for line in found)


def test_a_credential_that_cannot_be_read_is_a_line(tmp_path, problems):
    (tmp_path / "twilio_auth_token").write_bytes(b"\xff")
    found = problems(GOOD, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert any("credential TWILIO_AUTH_TOKEN: " in line and "cannot be read: it is no UTF-8" in line for line in found)


def test_only_the_credentials_that_are_needed_are_asked_for(read, problems):
    assert ["ASSEMBLYAI_API_KEY" in line for line in problems(GOOD, {"TWILIO_AUTH_TOKEN": "t"})] == [True]
    local = GOOD.replace('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "sandbox"')
    read(local.replace("[twilio]", "[twilio]\nvalidate_signatures = false"), {})


def test_systemds_credentials_come_before_the_environment(tmp_path):
    (tmp_path / "twilio_auth_token").write_text("from systemd\n")
    secrets = read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path), "TWILIO_AUTH_TOKEN": "e", "OPENAI_API_KEY": " k "})
    assert secrets.get("TWILIO_AUTH_TOKEN") == "from systemd"
    assert secrets.get("OPENAI_API_KEY") == "k"
    assert secrets.get("GEMINI_API_KEY") is None


def test_an_empty_credential_of_systemds_is_none(tmp_path):
    (tmp_path / "openai_api_key").write_text("\n")
    assert read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path)}).get("OPENAI_API_KEY") is None
    assert read_secrets({"CREDENTIALS_DIRECTORY": str(tmp_path), "OPENAI_API_KEY": "k"}).get("OPENAI_API_KEY") == "k"


def test_a_blank_credential_is_none():
    assert read_secrets(dict.fromkeys(SECRETS, " ")).get("TWILIO_AUTH_TOKEN") is None


def test_secrets_are_never_shown(read):
    assert "t0ken" not in repr(read(GOOD))
    assert "k3y" not in repr(read(GOOD))


CHAIN = """
[models.desk]
kind = "chain"
stt = { kind = "assemblyai-streaming" }
llm = { kind = "anthropic", model = "claude-haiku-5-5", thinking = "disabled" }
tts = { kind = "elevenlabs", voice = "v" }
[personas.clerk]
model = "desk"
"""


def test_a_chain_that_thinks_with_anthropic_needs_its_key(read, problems):
    given = ENVIRONMENT | {"ELEVENLABS_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    llm = read(GOOD + CHAIN, given).models["desk"].llm[0]
    assert (llm.model, llm.thinking, llm.effort, llm.key_name) == (
        "claude-haiku-5-5",
        "disabled",
        None,
        "ANTHROPIC_API_KEY",
    )
    del given["ANTHROPIC_API_KEY"]
    (missing,) = problems(GOOD + CHAIN, given)
    assert missing.startswith("credential ANTHROPIC_API_KEY is missing: it is needed for models.desk")
    (wrong,) = problems(GOOD + CHAIN.replace("disabled", "never"), given | {"ANTHROPIC_API_KEY": "k"})
    assert wrong.startswith("models.desk.llm.thinking: ")
    assert "between_tools" in wrong
