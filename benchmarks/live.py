"""Each provider that there is a key for, asked for one real turn, and one real call by Twilio: by hand alone.

    make live                                   says what it would do and cost, and asks
    make live LIVE_ARGS="--only elevenlabs"     some of them
    make live LIVE_ARGS="--yes"                 without asking

Keys are read where the daemon reads them: ``CREDENTIALS_DIRECTORY``, else the environment. A provider of a stage has
this machine's ears, voice and canned answers around it; each turn is that of ``trio-voice doctor``. The call wants the
account's SID and token and, in the environment, LIVE_FROM (a number of the account), LIVE_TO (a telephone to be rung,
whoever answers hears the sandbox's agent for half a minute) and LIVE_PUBLIC_URL (https://, by which Twilio reaches
LIVE_BIND here, 127.0.0.1:8080 by default: such as a tunnel's).

Exit status: 0 all is well, 1 something is not, 69 there is no key at all.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from trio_voice.cli.doctor import examine_model
from trio_voice.cli.local_peers import load_speech_for, on_this_machine
from trio_voice.config.credentials import SECRETS, read_secrets
from trio_voice.config.reading import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio_voice.cli.doctor import Check
    from trio_voice.config.credentials import Secrets

EXIT_FAILED, EXIT_UNAVAILABLE = 1, 69
EARS, VOICE = '{ kind = "local" }', '{ kind = "local", voice = "alba" }'
ANSWERS = '{ kind = "openai-chat", url = "sandbox", model = "canned", credential = "" }'
PRICES_AS_OF = "2026-11-20"
CALL_SECONDS = 30
CALL = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "LIVE_FROM", "LIVE_TO", "LIVE_PUBLIC_URL")
CALL_COST = 0.10
"""Dollars for a call of half a minute within the United States, with its media stream: two started minutes."""


@dataclass(frozen=True)
class Turn:
    """One provider's."""

    name: str
    credential: str
    cost: float
    """Dollars that half a minute comes to at most, by the list prices that config.toml names."""
    table: str
    """Of ``[models]``, with a place for more keys where the provider stands."""

    def text(self, more: str = "") -> str:
        """The table, as config.toml has it."""
        return f'[models.{self.name}]\n{self.table}\n[personas.{self.name}]\nmodel = "{self.name}"\n' % {"more": more}


def hosted(name: str, kind: str, credential: str, cost: float, *keys: str) -> Turn:
    """A provider that hears, thinks and speaks."""
    return Turn(name, credential, cost, "\n".join([f'kind = "{kind}"', *keys, "%(more)s"]))


def stage(name: str, which: str, credential: str, cost: float, keys: str = "") -> Turn:
    """A provider of one stage, among this machine's own."""
    stages = {"stt": EARS, "llm": ANSWERS, "tts": VOICE}
    stages[which] = f'{{ kind = "{name}"{keys}%(more)s }}'
    table = "\n".join(f"{each} = {written}" for each, written in stages.items())
    return Turn(name, credential, cost, f'kind = "chain"\n{table}')


TURNS = (
    hosted("assemblyai-agent", "assemblyai-agent", "ASSEMBLYAI_API_KEY", 0.08),
    hosted("openai-realtime", "openai-realtime", "OPENAI_API_KEY", 0.05),
    hosted("xai", "openai-realtime", "XAI_API_KEY", 0.03, 'dialect = "xai"'),
    hosted("gemini-live", "gemini-live", "GEMINI_API_KEY", 0.02),
    stage("assemblyai-streaming", "stt", "ASSEMBLYAI_API_KEY", 0.01, ', model = "universal-3-6-pro"'),
    stage("deepgram-flux", "stt", "DEEPGRAM_API_KEY", 0.01),
    stage("openai-chat", "llm", "OPENAI_API_KEY", 0.01, ', model = "gpt-4o-mini"'),
    stage("anthropic", "llm", "ANTHROPIC_API_KEY", 0.01, ', model = "claude-haiku-4-5"'),
    stage("elevenlabs", "tts", "ELEVENLABS_API_KEY", 0.02, ', voice = "EXAVITQu4vr4xnSDxMaL"'),
    stage("elevenlabs-http", "tts", "ELEVENLABS_API_KEY", 0.02, ', voice = "EXAVITQu4vr4xnSDxMaL"'),
    stage("cartesia", "tts", "CARTESIA_API_KEY", 0.02, ', voice = "a0e99841-438c-4a64-b679-ae501e7d6091"'),
)
SERVER = f"""\
[server]
bind = "{{bind}}"
public_url = "{{public_url}}"
[twilio]
from_number = "{{from_number}}"
{{twilio}}
[limits]
time_limit_seconds = {CALL_SECONDS}
[models.here]
kind = "assemblyai-agent"
url = "sandbox"
[personas.here]
model = "here"
voice = "alba"
greeting = "Hello. This is a test call of trio-voice, which ends by itself in half a minute."
prompt = "You answer a test call. Be brief."
[journal]
url = "sqlite:///journal.db"
"""


def turns_for(known: Secrets, only: Sequence[str]) -> list[Turn]:
    """Those that there is a key for."""
    return [turn for turn in TURNS if known.get(turn.credential) is not None and (not only or turn.name in only)]


def missing_for_a_call(known: Secrets, environment: Mapping[str, str]) -> list[str]:
    """Names of what a real call wants and has not."""
    return [name for name in CALL if not (known.get(name) if name in SECRETS else environment.get(name))]


def configuration(turns: Sequence[Turn], places: Mapping[str, str] | None = None) -> str:
    """A config.toml of their models; for ``places`` see ``take``."""
    server = SERVER.format(
        bind="127.0.0.1:0",
        public_url="https://live.invalid",
        from_number="+15550000000",
        twilio="validate_signatures = false",  # nobody rings, and there need be no token
    )
    return "\n".join([server, *(turn.text((places or {}).get(turn.name, "")) for turn in turns)])


async def take(turns: Sequence[Turn], environment: Mapping[str, str], folder: Path, places: Mapping[str, str]) -> bool:
    """One after the other, so that each has the machine for itself; true if all are well.

    Args:
        turns: of whom.
        environment: where the keys are.
        folder: for the configuration.
        places: keys that a provider's table has besides, by its name, such as an address.
    """
    config = folder / "turns.toml"
    config.write_text(configuration(turns, places), encoding="utf-8")
    settings = read_settings(config, environment)
    speech = await trio.to_thread.run_sync(load_speech_for, settings)
    well = True
    async with on_this_machine(settings) as placed:
        for turn in turns:
            began = trio.current_time()
            found: list[Check] = await examine_model(placed, turn.name, settings.personas[turn.name], speech)
            for check in found:
                word = {True: "ok", False: "FAILED", None: "not looked at"}[check.ok]
                print(f"{check.name}: {word}: {check.message}")
                if check.advice is not None:
                    print(f"    {check.advice}")
            print(f"    {trio.current_time() - began:.1f} s")
            well = well and all(check.ok is not False for check in found)
    return well


def call(environment: Mapping[str, str], folder: Path, twilio: str = "") -> bool:
    """A telephone is rung by the daemon, as its operator would have it; true if somebody talked to the agent.

    Args:
        environment: where credentials, numbers and the public address are.
        folder: for configuration, journal and log.
        twilio: more keys of ``[twilio]``.
    """
    config, token = folder / "config.toml", secrets.token_hex(16)
    config.write_text(
        SERVER.format(
            bind=environment.get("LIVE_BIND", "127.0.0.1:8080"),
            public_url=environment["LIVE_PUBLIC_URL"],
            from_number=environment["LIVE_FROM"],
            twilio=twilio,
        ),
        encoding="utf-8",
    )
    ours = [sys.executable, "-m", "trio_voice", "--config", str(config)]
    environment = {**environment, "TRIO_VOICE_API_TOKEN": token}
    serve = partial(subprocess.Popen, [*ours, "serve"], stdout=subprocess.PIPE, env=environment, cwd=folder)
    with (folder / "log").open("wb") as log, serve(stderr=log) as daemon:
        try:
            assert daemon.stdout is not None
            if not daemon.stdout.readline().startswith(b"listening"):
                print(f"the daemon did not start:\n{(folder / 'log').read_text()[-2000:]}")
                return False
            placed = [*ours, "call", environment["LIVE_TO"], "--persona", "here"]
            return subprocess.run(placed, env=environment, cwd=folder, check=False).returncode == 0
        finally:
            daemon.terminate()


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    places: Mapping[str, str] | None = None,
    twilio: str = "",
) -> int:
    """Say what will be done, ask, do it, and say what came of it; for ``places`` and ``twilio`` see above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one of those that are listed")
    options = parser.parse_args(arguments)
    known = read_secrets(environment)
    turns = turns_for(known, options.only)
    lacking = missing_for_a_call(known, environment)
    calls = not lacking and (not options.only or "twilio" in options.only)
    if not turns and not calls:
        print("nothing can be tried. A provider wants its key, in the environment or CREDENTIALS_DIRECTORY:")
        for turn in TURNS:
            print(f"    {turn.credential:20} {turn.name}")
        print(f"    a real call wants {', '.join(lacking) or 'nothing more; it was left out by --only'}")
        return EXIT_UNAVAILABLE
    print(f"real turns, in dollars at most, by the list prices that config.toml names as of {PRICES_AS_OF}:")
    for turn in turns:
        print(f"    {turn.cost:.2f}  {turn.name}")
    if calls:
        print(f"    {CALL_COST:.2f}  a call from {environment['LIVE_FROM']} to {environment['LIVE_TO']}, by Twilio")
    else:
        print(f"    no call by Twilio: it wants {', '.join(lacking) or '--only twilio'}")
    if not options.yes and input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        print("nothing was done")
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        well = trio.run(take, turns, environment, Path(folder), places or {}) if turns else True
        if calls:
            answered = call(environment, Path(folder), twilio)
            print(f"twilio: {'ok' if answered else 'FAILED'}")
            well = answered and well
    print(f"{'all is well' if well else 'something is not well'}, after {time.monotonic() - began:.0f} s")
    return 0 if well else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
