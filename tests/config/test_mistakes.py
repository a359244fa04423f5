"""config.toml: all mistakes at once, each with its place and what to do."""

import math
import os
import tomllib
from datetime import date
from pathlib import Path

import attrs
import pytest

from tests.config.files import ENVIRONMENT, GOOD
from trio_voice.config.reading import read_settings, settings_of
from trio_voice.config.settings import Settings
from trio_voice.errors import ConfigError


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('bind = "nowhere"', "operator.bind: must be HOST:PORT"),
        ('public_url = "https://desk.example.com"', "operator.public_url: needs operator.bind"),
        ('bind = "127.0.0.1:0"\npublic_url = "desk"', "operator.public_url: must be like"),
        ('bind = "127.0.0.1:0"\npublic_url = "https://desk.example.com/x"', "operator.public_url: must be like"),
        ("port = 1", "operator.port: no such key"),
    ],
)
def test_what_is_wrong_with_the_operators_address_is_told(read, table, problem):
    with pytest.raises(ConfigError) as wrong:
        read(GOOD.replace("[limits]", f"[operator]\n{table}\n[limits]"))
    assert any(problem in line for line in wrong.value.problems)


def test_two_addresses_cannot_be_one(read):
    text = GOOD.replace("127.0.0.1:0", "127.0.0.1:8080")
    for bind in ("127.0.0.1:8080", "0.0.0.0:8080"):
        with pytest.raises(ConfigError, match=r"is taken by server\.bind"):
            read(text.replace("[limits]", f'[operator]\nbind = "{bind}"\n[limits]'))
    assert (
        read(text.replace("[limits]", '[operator]\nbind = "127.0.0.2:8080"\n[limits]')).operator_bind
        == "127.0.0.2:8080"
    )


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("account_sid", "acount_sid", "twilio.acount_sid: no such key; did you mean 'account_sid'?"),
        ("[limits]", "[limitz]", "limitz: no such key; did you mean 'limits'?"),
        ("vad_threshold", "vad", "personas.receptionist.turn_detection.vad: no such key"),
        ('bind = "127.0.0.1:0"', "bind = 8080", "server.bind: must be a text, not 8080"),
        ('bind = "127.0.0.1:0"', 'bind = "example.com"', "server.bind: must be HOST:PORT"),
        ('bind = "127.0.0.1:0"', 'bind = "127.0.0.1:99999"', "server.bind: must be HOST:PORT"),
        ("= 60", "= true", "limits.time_limit_seconds: must be a number, not True"),
        ("= 60", "= -1", "limits.time_limit_seconds: must be more than 0"),
        (
            "= 60",
            "= 60\nplayback_lead_seconds = 4.1",
            "playback_lead_seconds: must be more than 0 and at most 4, not 4.1",
        ),
        ("= 60", "= 60\n[journal]\ndead_after_seconds = 11.9", "journal.dead_after_seconds: must be at least 12"),
        ('kind = "assemblyai-agent"', 'kind = "oracle"', "models.aai.kind: 'oracle' is not known here"),
        ('kind = "assemblyai-agent"', "", "models.aai.kind: is missing"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "http://x"', "models.aai.url: must begin with"),
        ("tools = []", "idle_seconds = -1", "personas.receptionist.idle_seconds: must be more than 0"),
        ('model = "aai"', 'model = "aia"', "personas.receptionist.model = 'aia': no such key; did you mean 'aai'?"),
        ('model = "aai"', 'model = ["aai", "b"]', "personas.receptionist.model = 'b': no such key"),
        ('model = "aai"', "model = []", "personas.receptionist.model: must be a text, or a list of texts, not []"),
        ("tools = []", 'on_failure = "transfer"', "personas.receptionist.transfer_to: is missing: on_failure needs"),
        ("tools = []", 'on_failure = "cry"', "personas.receptionist.on_failure"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\ndialect = "ga"', "models.aai.dialect: no such key"),
        ("tools = []", 'tools = "end_call"', "personas.receptionist.tools: must be a list"),
        ("tools = []", "tools = [1]", "personas.receptionist.tools: must be a text, not 1"),
        ('default = "receptionist"', 'default = "nobody"', "numbers.'default' = 'nobody': no such key"),
        ('public_url = "https://voice.example.com"', "", "server.public_url: is missing"),
        ("https://voice", "voice", "server.public_url: must be like https://voice.example.com"),
        ("{ vad_threshold = 0.5 }", "{ min_silence = 900, max_silence = 900 }", "min_silence must be less than"),
        ("{ vad_threshold = 0.5 }", "7", "personas.receptionist.turn_detection: must be a table, not 7"),
        ("tools = []", 'language = "english"', "personas.receptionist.language: must be a language tag like en-US"),
        ("tools = []", 'fillers = "One moment."', "personas.receptionist.fillers: must be a list, not 'One moment.'"),
        (
            "tools = []",
            'fillers = ["Hm.", "..."]',
            "personas.receptionist.fillers.1: must have a word in it, not",
        ),
        ("tools = []", 'backchannels = [""]', "personas.receptionist.backchannels.0: must have a word in it, not ''"),
        ("tools = []", 'still_there = ""', "personas.receptionist.still_there: must have a word in it, not ''"),
        ("tools = []", 'idle_goodbye = "."', "personas.receptionist.idle_goodbye: must have a word in it, not '.'"),
        ("tools = []", "greeting_interruptible = 1", "personas.receptionist.greeting_interruptible: must be true or"),
        (
            "vad_threshold = 0.5",
            "min_interruption_ms = -1",
            "turn_detection.min_interruption_ms: must be from 0 to",
        ),
        ("vad_threshold = 0.5", "min_interruption_ms = nan", "min_interruption_ms: must be a number of at most"),
        ("vad_threshold = 0.5", "min_interruption_words = 21", "min_interruption_words: must be from 0 to 20, not 21"),
        ("vad_threshold = 0.5", "min_interruption_words = 1.5", "min_interruption_words: must be a whole number, not"),
        ("= 60", "= 60\ndead_air_seconds = 0", "limits.dead_air_seconds: must be more than 0"),
        ("[personas.receptionist]", "[personas]\nx = 1\n[personas.receptionist]", "personas.x: must be a table"),
        ("as_of = 2026-11-20", "", "prices.as_of: is missing"),
        ("= 2026-11-20", '= "2026-11-20"', "prices.as_of: must be a date like 2026-11-20, without quotes, not '2026"),
        ("as_of =", "as_off = 1\nas_of =", "prices.as_off: no such key; did you mean 'as_of'?"),
        ("as_of =", 'currency = "dollars"\nas_of =', "prices.currency: must be three capital letters, like USD"),
        ("[prices.aai]", "[prices.aia]", "prices.aia: no such key; did you mean 'aai'?"),
        ("[prices.aai]", "[prices.twillio]", "prices.twillio: no such key; did you mean 'twilio'?"),
        ("minute = 0.075", "minutes = 0.075", "prices.aai.minutes: no such key; did you mean 'minute'?"),
        ("minute = 0.075", 'minute = "0.075"', "prices.aai.minute: must be a number, not '0.075'"),
        ("minute = 0.075", "minute = -0.075", "prices.aai.minute: must be at least 0, not -0.075"),
        ("minute = 0.075", "minute = nan", "prices.aai.minute: must be a number of at most 1000000000, not nan"),
        ("= 60\n", "= 60\ndaily_cost = 0\n", "limits.daily_cost: must be more than 0"),
        ("= 60", "= nan", "limits.time_limit_seconds: must be a number of at most 1000000000, not nan"),
        ("= 60", "= inf", "limits.time_limit_seconds: must be a number of at most 1000000000, not inf"),
        ("= 60", "= 1e10", "limits.time_limit_seconds: must be a number of at most 1000000000, not 10000000000.0"),
        ("= 60", "= 60\nmax_calls = 9999999999", "limits.max_calls: must be a whole number of at most 1000000000"),
        ("tools = []", "idle_seconds = nan", "personas.receptionist.idle_seconds: must be a number of at most"),
        ("vad_threshold = 0.5", "vad_threshold = nan", "turn_detection.vad_threshold: must be a number of at most"),
        ("vad_threshold = 0.5", "vad_threshold = 7.0", "turn_detection.vad_threshold: must be from 0 to 1, not 7.0"),
        ("vad_threshold = 0.5", "min_silence = -5", "turn_detection.min_silence: must be from 50 to 10000, not -5"),
        ("vad_threshold = 0.5", "interruption_delay = 1001", "interruption_delay: must be from 0 to 1000, not 1001"),
        ('"AC1"', '"nonsense"', "twilio.account_sid: must be like AC and 32 digits, not 'nonsense'"),
        ('"AC1"', '"AC1"\nfrom_number = "555-1234"', "twilio.from_number: must be a number with its country, like +1"),
        ('"AC1"', '"AC1"\nallowed_prefixes = ["1"]', "twilio.allowed_prefixes: must be like +1 or +4930, not '1'"),
        ('"AC1"', '"AC1"\napi_url = "https://[::bad"', "twilio.api_url: must be like https://api.twilio.com"),
        ('"AC1"', '"AC1"\napi_url = "api.twilio.com"', "twilio.api_url: must be like https://api.twilio.com"),
        ("tools = []", 'transfer_to = "555 123"', "personas.receptionist.transfer_to: must be a number with"),
        ("tools = []", 'name = "x"', "personas.receptionist.name: no such key"),
        ('"+15551234567"', '"(555) 123-0002"', "numbers.'(555) 123-0002': must be a number with its country"),
        ('"+15551234567"', '"defualt"', "numbers.'defualt': must be a number with its country"),
        ('"+1555', '"1 555 1234567" = "receptionist"\n"+1555', "numbers.'+15551234567': is +15551234567, which is"),
        ("https://voice.example.com", "https://[::bad", "server.public_url: must be like https://voice.example.com"),
        ("https://voice.example.com", "https://v.example.com:99999", "server.public_url: must be like https://voice"),
        ("https://voice.example.com", "https://", "server.public_url: must be like https://voice.example.com"),
        ("https://voice.example.com", "https://v.example.com\\u0000", "server.public_url: must be like https://voice"),
        ("https://voice.example.com", "https://v.example.com/?x", "server.public_url: must be like https://voice"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "ws://[::bad"', "models.aai.url: must begin"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "wss://"', "models.aai.url: must begin"),
        ('kind = "assemblyai-agent"', 'kind = "assemblyai-agent"\nurl = "wss://a:0"', "models.aai.url: must begin"),
        ('kind = "assemblyai-agent"', "kind = []", "models.aai.kind"),
        ("[personas.receptionist]", "[[personas]]", "personas: must be tables, [personas.NAME]"),
        ("[models.aai]", "[[models]]", "models: must be tables, [models.NAME]"),
        ("inbound_minute", "inbound_minutes", "prices.twilio.inbound_minutes: no such key; did you mean 'inbound"),
        ("inbound_minute = 0.0085", "inbound_minute = inf", "prices.twilio.inbound_minute: must be a number of"),
        ("[prices.aai]\nminute = 0.075", "[prices.aai.minute]\nx = 1", "prices.aai.minute: must be a number, not {'x'"),
        ("tools = []", 'record = "there"', 'personas.receptionist.record: must be "here" (on this machine), true (at'),
        ("tools = []", "record = 1", 'personas.receptionist.record: must be "here"'),
        ("tools = []", "record_after_consent = true", 'receptionist.record_after_consent: needs record = "here"'),
        ("tools = []", "record = true\nrecord_after_consent = true", 'record_after_consent: needs record = "here"'),
        ("tools = []", 'tools = ["consent_to_recording"]', "tools: consent_to_recording needs record_after_consent"),
        ("[limits]", '[recording]\nfolder = "x"\n[limits]', "recording.folder: no such key; known are directory"),
        ("[limits]", "[recording]\nkeep_days = 0\n[limits]", "recording.keep_days: must be more than 0"),
        ("[limits]", "[recording]\nkeep_free_gb = -1\n[limits]", "recording.keep_free_gb: must be from 0 to"),
        ("[limits]", '[recording]\ndirectory = " "\n[limits]', "recording.directory: must be a folder's name"),
    ],
)
def test_each_mistake_has_its_line(problems, old, new, line):
    assert old in GOOD
    (found,) = [problem for problem in problems(GOOD.replace(old, new, 1)) if line in problem]
    assert "\n" not in found


def test_where_there_is_nothing_to_choose_from_that_is_said(tmp_path):
    document = {"server": {"public_url": "https://voice.example.com"}, "personas": {"p": {"model": "aai"}}}
    with pytest.raises(ConfigError) as wrong:
        settings_of(document, ENVIRONMENT, tmp_path / "c.toml")
    assert wrong.value.problems == [f"{tmp_path}/c.toml: personas.p.model = 'aai': no such key; there is none yet"]


def test_all_mistakes_are_told_at_once(problems):
    text = GOOD.replace("= 60", '= "60"').replace("voice =", "voise =").replace('"127.0.0.1:0"', '"nowhere"')
    found = problems(text.replace('default = "receptionist"', 'default = "x"'), {})
    for place in ("limits.time_limit_seconds", "personas.receptionist.voise", "server.bind", "numbers.'default'"):
        assert sum(place in line for line in found) == 1
    assert sum("credential TWILIO_AUTH_TOKEN is missing" in line for line in found) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 5_000 + "]" * 5_000, "line 3: is nested too deeply"),
        ("a = " + "{a=" * 5_000 + "1" + "}" * 5_000, "line 3: is nested too deeply"),
        ("a = " + "1" * 5_000, "line 3: cannot be read: Exceeds the limit"),
        ("a = " + "[" * 150 + "]" * 150, "a: no such key"),
        (".".join(["a"] * 20_000) + " = 1", "line 3: a key has more than 32 parts"),
        ("[" + " . ".join(["'a'"] * 20_000) + "]", "line 3: a key has more than 32 parts"),
        ("x = { " + ".".join(['"a.b"'] * 20_000) + " = 1 }", "line 3: a key has more than 32 parts"),
        ("limits = " + "[" * 300 + "]" * 300, "limits: must be a table, not [[["),
        ("a\0b = 1", "no valid TOML"),
        ('"a\\n\\u001b[31m" = 1', r"a\n\x1b[31m: no such key"),
        ('x = "' + "y" * 100_000, "no valid TOML"),
    ],
    ids=lambda text: text[:12],
)
def test_whatever_is_in_the_file_is_one_line_and_soon(tmp_path, text, words):
    file = tmp_path / "config.toml"
    file.write_text(f"\n\n{text}\n")
    with pytest.raises(ConfigError) as wrong:
        read_settings(file, ENVIRONMENT)
    lines = wrong.value.problems
    assert any(words in line for line in lines)
    assert all(line.isprintable() and len(line) <= 601 and line.startswith(str(file)[:600]) for line in lines)


def test_prose_with_many_dots_is_no_key(read):
    read(GOOD.replace('voice = "alba"', f'prompt = """\n{"No. " * 500}\n{"a." * 500}= ]\n"""'))


@pytest.mark.parametrize("kind", ["pipe", "directory", "no utf-8", "device", "too long"])
def test_what_is_no_file_of_text_is_not_waited_for(tmp_path, kind):
    file = tmp_path / "config.toml"
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "directory":
            file.mkdir()
        case "no utf-8":
            file.write_bytes(b"a = '\xff\xfe'")
        case "device":
            file = Path("/dev/zero")
        case "too long":
            file.write_text("#" * 5_000_000)
    with pytest.raises(ConfigError) as wrong:
        read_settings(file, ENVIRONMENT)
    (line,) = wrong.value.problems
    assert line.startswith(f"{file}: cannot be read: ")


def test_broken_toml_says_where(problems):
    (line,) = problems("[server\n")
    assert "no valid TOML" in line
    assert "line 1" in line


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_settings(tmp_path / "none.toml", {})


@pytest.mark.parametrize("table", [field.name for field in attrs.fields(Settings)])
def test_a_table_that_is_something_else_is_told_with_its_key(table):
    for odd in (0, -1, 1e308, math.nan, True, "", "\0", [], [[]], [{}], [1], date(2026, 1, 1)):
        with pytest.raises(ConfigError) as wrong:
            settings_of(tomllib.loads(GOOD) | {table: odd}, ENVIRONMENT, Path("c.toml"))
        problems = wrong.value.problems
        assert any(problem.startswith(f"c.toml: {table}") for problem in problems), (odd, problems)
        assert not any("cannot be used" in problem for problem in problems), (odd, problems)
