"""Our daemon as a target: its configuration, with limits that are low enough to be seen at work."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from rig.process import Target

LIMITS: Final = {
    "start_seconds": 1.5,
    "media_gap_seconds": 2.0,
    "model_ready_seconds": 2.5,
    "idle_seconds": 5.0,
    "time_limit_seconds": 40.0,
    "tool_seconds": 6.0,
    "drain_seconds": 1.0,
}
"""``close_seconds`` stays what it is by default, because that is what is promised."""
GOODBYE_SECONDS: Final = 1.5
"""A goodbye of 0.4 s is heard out, with half a second of quiet behind it."""
UNANSWERED_SECONDS: Final = LIMITS["media_gap_seconds"] + 2.0
"""Time without media after which the caller is lost: then Twilio is asked by a mark, and has 2 s to echo it."""
LAST_LINE_SECONDS: Final = 4.0
"""A caller whose model has failed, and was not renewed, is told so: six seconds with the two that are promised."""
TRIES_SECONDS: Final = 1.0
"""A stage of a chain that was lost is tried again for so long, once the talk has begun."""
HANDSHAKES_SECONDS: Final = 9.0
"""A handshake may hang for 4.5 s, and is tried once more within five."""
GONE_SECONDS: Final = 10.0 + 1.0
"""A peer whose machine is gone is noticed within ten seconds; then others are tried for one."""
NO_ANSWER_SECONDS: Final = 5.0 + 18.0
"""Five seconds may have been said already. Fillers come after 2.5, and 5 after each; then another session is tried, or
the model is given up, before the third or behind it."""
HEARD_OUT_SECONDS: Final = 20.0
"""The longest that is being said when a fault strikes."""
CONFIG: Final = """\
[server]
bind = "127.0.0.1:{port}"
public_url = "{public_url}"

[twilio]
account_sid = "{account_sid}"
api_url = "{rest_url}"

[limits]
{limits}

[journal]
url = "sqlite:///{folder}/journal.db"

[models.rig]
{model_table}

[personas.rig]
model = "rig"
greeting = "Ahoy, this is the lighthouse."
prompt = "You answer the telephone of a lighthouse."
tools = ["end_call", "rig_tools:never_returns", "rig_tools:blocks"]

[numbers]
default = "rig"
"""
TOOLS: Final = '''\
import time

import trio


async def never_returns() -> str:
    """Look something up that is never found."""
    await trio.sleep_forever()


def blocks() -> str:
    """Look something up in a way that nothing can interrupt."""
    time.sleep(8)
    return "too late"
'''
TASKS_METRIC: Final = "trio_voice_tasks"


def our_daemon(python: str = sys.executable) -> Target:
    """The daemon of the source tree that this file is in."""
    tree = str(Path(__file__).parents[2])
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return Target(
        name="trio_voice",
        command=f"{shlex.quote(python)} -m trio_voice --config {{folder}}/config.toml serve",
        environment=inherited
        | {
            "PYTHONPATH": tree,
            "SSL_CERT_FILE": "{folder}/authority.pem",
            "TWILIO_AUTH_TOKEN": "{auth_token}",
            "TRIO_VOICE_API_TOKEN": "operator",
            "ASSEMBLYAI_API_KEY": "key",
            "OPENAI_API_KEY": "key",
            "GEMINI_API_KEY": "key",
            "ELEVENLABS_API_KEY": "key",
        },
        files={
            "config.toml": CONFIG.replace("{limits}", "\n".join(f"{name} = {value}" for name, value in LIMITS.items())),
            "rig_tools.py": TOOLS,
            "authority.pem": "{authority}",
        },
        tasks_metric=TASKS_METRIC,
        limits=LIMITS
        | {
            "goodbye": GOODBYE_SECONDS,
            "no answer": NO_ANSWER_SECONDS + LAST_LINE_SECONDS,
            "gone and last line": GONE_SECONDS + LAST_LINE_SECONDS,
            "handshakes and last line": HANDSHAKES_SECONDS + LAST_LINE_SECONDS,
            "heard out and idle": HEARD_OUT_SECONDS + LIMITS["idle_seconds"] + LAST_LINE_SECONDS,
            "unanswered mark": UNANSWERED_SECONDS,
            "last line": LAST_LINE_SECONDS,
            "tries and last line": TRIES_SECONDS + LAST_LINE_SECONDS,
            "ready and last line": LIMITS["model_ready_seconds"] + LAST_LINE_SECONDS,
        },
        own_folder=True,
    )
