"""Breaks calls to a real server in every way and phase, and measures how long both its sockets outlive them.

    make faults                                                     our daemon, every case, with every kind of model
    .venv/bin/python benchmarks/faults.py --only "hangs up"         the cases with these words in their name
    .venv/bin/python benchmarks/faults.py --kind chain            one kind of model
    .venv/bin/python benchmarks/faults.py --name node \\
        --server 'node benchmarks/peers/node_relay/relay.js {model_url} {port}'

Another server is started with the command of ``--server``, in whose words and in those of ``--env`` the following
stand for what it needs to know: ``{port}`` to listen on, on 127.0.0.1; ``{model_url}``, where it finds its model, or
``{hearing_url}``, ``{thinking_url}`` and ``{speaking_url}``, where a chain (``--kind chain``) finds its three;
``{public_url}``, its own address as Twilio would see it; ``{rest_url}``, where Twilio's REST API is; ``{account_sid}``
and ``{auth_token}``. The same are in its environment as PORT, MODEL_URL, PUBLIC_URL, TWILIO_API_URL,
TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, with a made-up key for every provider. Twilio's signatures are right.

The clock of a case begins with the first sign that the call is over. "model" and "caller" are the seconds until the
server has let go of either socket, as seen from the other end; the caller counts as released by a hang-up over REST,
too. "told" is whether the provider got its goodbye. The last columns are what the process holds more than before, once
this end of either socket is gone as well.

Exit status: 0 if every case was as promised, 1 if not, 2 for wrong usage, 69 if the server cannot be tested.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import trio
from rig.faults import cases_for
from rig.ours import our_daemon
from rig.process import DidNotStart, Target
from rig.protocols import KINDS
from rig.report import HEAD, Table, as_json, summary
from rig.run import Plan, run_cases

SAME_FOR_ALL = {
    "PORT": "{port}",
    "MODEL_URL": "{model_url}",
    "PUBLIC_URL": "{public_url}",
    "TWILIO_API_URL": "{rest_url}",
    "TWILIO_ACCOUNT_SID": "{account_sid}",
    "TWILIO_AUTH_TOKEN": "{auth_token}",
    "ASSEMBLYAI_API_KEY": "key",
    "OPENAI_API_KEY": "key",
    "GEMINI_API_KEY": "key",
    "ELEVENLABS_API_KEY": "key",
}
CANNOT_BE_TESTED = 69


def read_arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="cases with these in their name")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument(
        "--kind",
        "--family",
        action="append",
        choices=list(KINDS),
        help="which kinds of model; all for our daemon, else assemblyai-agent",
    )
    parser.add_argument("--patience", type=float, default=15.0, metavar="S", help="when never is; 15")
    parser.add_argument("--slack", type=float, default=0.5, metavar="S", help="for a machine that is busy besides; 0.5")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="how often each case; the worst counts; 1")
    parser.add_argument("--workers", type=int, default=12, metavar="N", help="servers side by side; 12")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    parser.add_argument("--server", metavar="COMMAND", help="another server than our daemon")
    parser.add_argument("--name", default="", help="what to call it")
    parser.add_argument("--path", default="/twiml", help="of its webhook for calls; /twiml")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for its environment")
    parser.add_argument("--tasks-metric", metavar="NAME", help="the gauge on its /metrics that counts tasks")
    arguments = parser.parse_args(words)
    if arguments.times < 1 or arguments.workers < 1:
        parser.error("--times and --workers are at least 1")
    if any("=" not in pair for pair in arguments.env):
        parser.error("--env takes NAME=VALUE")
    return arguments


def target_of(arguments: argparse.Namespace) -> Target:
    """The server to be tested."""
    if arguments.server is None:
        return our_daemon()
    own = dict(pair.split("=", 1) for pair in arguments.env)
    return Target(
        name=arguments.name or arguments.server,
        command=arguments.server,
        environment={**os.environ, **SAME_FOR_ALL, **own},
        path=arguments.path,
        tasks_metric=arguments.tasks_metric,
    )


def main(words: list[str]) -> int:
    """Run, print, and say by the exit status whether all was as promised."""
    arguments = read_arguments(words)
    kinds = arguments.kind or (list(KINDS) if arguments.server is None else ["assemblyai-agent"])
    cases = cases_for(kinds, arguments.only)
    if arguments.list:
        print("\n".join(f"{case.kind}: {case.name}" for case in cases))
        return 0
    if not cases:
        print(f"no case has {' or '.join(map(repr, arguments.only))} in its name; --list names them", file=sys.stderr)
        return 2
    plan = Plan(
        target=target_of(arguments),
        patience=arguments.patience,
        slack=arguments.slack,
        times=arguments.times,
        workers=arguments.workers,
    )
    table = Table(arguments.patience)
    print(HEAD, flush=True)
    try:
        outcomes = trio.run(run_cases, plan, cases, lambda outcome: print(table.line(outcome), flush=True))
    except DidNotStart as failed:
        print(f"{plan.target.name} cannot be tested: {failed}", file=sys.stderr)
        return CANNOT_BE_TESTED
    print(f"{plan.target.name}: {summary(outcomes)}")
    if arguments.json is not None:
        arguments.json.write_text(as_json(plan.target.name, plan.patience, outcomes))
    # Ours offers all that a case needs, so there it is a failure if one could not be run.
    ours = arguments.server is None
    return 1 if any(outcome.problems or (ours and outcome.not_run) for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
