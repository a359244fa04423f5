"""The architecture, as a table and a test: imports point inwards only.

Every import counts, wherever it stands: in a function, under `if TYPE_CHECKING`, in `import_module("...")`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "trio_voice"
SOURCE = Path(__file__).parent.parent / PACKAGE

ANYTHING = "*"


class Ring(NamedTuple):
    """One row of the table: each field is a list of names, and a name includes what lies below it."""

    modules: str
    """Which modules of trio_voice these are."""
    sees: str
    """Which rows they may import."""
    packages: str
    """Which third-party packages they may import."""
    never: str = "asyncio"
    """Which parts of the standard library they may not."""


NO_CLOCK_NO_IO = "asyncio multiprocessing select selectors socket ssl subprocess threading time"

WEBSOCKETS_SANS_IO = (
    " websockets.client websockets.datastructures websockets.exceptions websockets.extensions"
    " websockets.frames websockets.headers websockets.http11 websockets.protocol websockets.server"
    " websockets.speedups websockets.streams websockets.typing websockets.uri websockets.utils"
)

RINGS = {
    # Ring 0, where figures become words: alone in knowing num2words.
    "figures": Ring(
        modules="speech_text.spoken_forms",
        sees="pure",
        packages="num2words",
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 0: decisions and what they are about. No trio, no clock, no socket; time is an argument.
    "pure": Ring(
        modules="audio bridge chain_history chain_reply chain_tools chain_turns clauses conversation cost digits errors"
        " facts forecast goodbye media_gap persona playback playout prices record speech_text stages takeover"
        " tool_results transcript turns",
        sees="pure protocols figures",
        packages="attrs msgspec",
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 0, where sound is computed with: alone in knowing numpy.
    "sound": Ring(
        modules="transcode",
        sees="pure",
        packages="numpy",
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 0: alone in knowing how countries number their telephones.
    "numbers": Ring(
        modules="phone_numbers",
        sees="",
        packages="phonenumbers",
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 0: one file per wire protocol, sans-I/O.
    "protocols": Ring(
        modules="protocols",
        sees="pure sound protocols",
        packages="attrs msgspec" + WEBSOCKETS_SANS_IO,
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 1, where the journal meets its server: alone in knowing psycopg, and imported only where it is needed.
    "postgres": Ring(
        modules="journal.postgres",
        sees="pure trio postgres",
        packages="attrs structlog psycopg",
    ),
    # Ring 1, where a chain asks its language model: alone in knowing an HTTP client, and no SDK.
    "http": Ring(
        modules="legs.http",
        sees="pure protocols",
        packages="attrs httpx2 trio",
    ),
    # Ring 1: nurseries and deadlines. No web framework, no SDK.
    "trio": Ring(
        modules="audit auditor call isolation journal legs reception reckoning registry rehearsal tools",
        sees="pure numbers protocols trio postgres http",
        packages="attrs msgspec structlog trio" + WEBSOCKETS_SANS_IO,
    ),
    # Ring 2: one foreign library or interface each.
    "edges": Ring(
        modules="edges",
        sees="pure numbers protocols trio http edges",
        packages=ANYTHING,
    ),
    # Ring 3: the only readers of files, environment, signals.
    "process": Ring(
        modules="config credentials daemon doubts interpreter loading logs process signals supervisor toml_tables unit",
        sees="pure numbers protocols trio http edges process cli",
        packages=ANYTHING,
    ),
    # Ring 3, its top floor: alone in knowing the sandbox.
    "cli": Ring(
        modules="__main__ cli",
        sees="pure numbers protocols trio http edges process cli sandbox",
        packages=ANYTHING,
    ),
    # Beside the rings: a Twilio and a voice agent on this machine. Not part of what serves a call.
    "sandbox": Ring(
        modules="sandbox",
        sees="pure sound protocols trio http edges sandbox",
        packages=ANYTHING,
    ),
    # Beside the rings: tools as a user writes them. They know what a tool may know of its call, and nothing else.
    "examples": Ring(
        modules="examples",
        sees="trio examples",
        packages="",
    ),
    # Importing anything imports this first, so it imports nothing.
    "root": Ring(
        modules="__init__",
        sees="",
        packages="",
    ),
}


def is_within(name: str, names: str) -> bool:
    """Whether a dotted name is one of these, or lies below one of them."""
    return names == ANYTHING or any(f"{name}.".startswith(f"{each}.") for each in names.split())


def ring_of(module: str) -> str | None:
    """The row of a module, or of a name in a module: `bridge`, `legs.caller`, `legs.caller.CallerLeg`."""
    return next((name for name, ring in RINGS.items() if is_within(module, ring.modules)), None)


def imports_of(module: str, source: str) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that a module imports, `from a import b` being `a.b`."""
    here = [PACKAGE, *module.split(".")]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                parts = [*here[: len(here) - level]] if level else []
                base = ".".join([*parts, *([base] if base else [])])
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def violations(module: str, source: str) -> Iterator[str]:
    """What is wrong with a module's imports, a sentence each. A package's `__init__` is named as one."""
    row = ring_of(module)
    if row is None:
        yield (
            f"{PACKAGE}.{module} belongs to no ring: "
            f"add it to the innermost row of RINGS in {Path(__file__).name} whose rules it can keep"
        )
        return
    ring = RINGS[row]
    for line, name in imports_of(module, source):
        where = f"{PACKAGE}.{module}:{line} ({row}) imports {name}"
        top, _, inner = name.partition(".")
        if top == PACKAGE:
            target = ring_of(inner) or "root"
            if target != "root" and target not in ring.sees.split():
                yield f"{where}, which is outward: {row} may import {ring.sees or 'nothing'}, not {target}"
        elif top in sys.stdlib_module_names:
            if is_within(name, ring.never):
                yield f"{where}: {row} may not use {ring.never}"
        elif not is_within(name, ring.packages):
            yield f"{where}: of third-party packages {row} may use {ring.packages or 'none'}"


MODULES = sorted((".".join(path.relative_to(SOURCE).with_suffix("").parts), path) for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[module for module, _ in MODULES])
def test_imports_point_inwards(module: str, path: Path) -> None:
    assert list(violations(module, path.read_text(encoding="utf-8"))) == []


def test_the_modules_were_found() -> None:
    assert "__init__" in dict(MODULES)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bridge", "import trio"),
        ("bridge", "import time"),
        ("bridge", "from time import monotonic"),
        ("bridge", "def f():\n    from trio_voice import call"),
        (
            "bridge",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from trio_voice.call import Call",
        ),
        ("bridge", "from . import call"),
        ("bridge", "from importlib import import_module\nimport_module('trio_voice.call')"),
        ("bridge", "import websockets.protocol"),
        ("bridge", "import numpy"),
        ("bridge", "from trio_voice.transcode import ToTelephone"),
        ("protocols.gemini_live", "import numpy"),
        ("protocols.media_streams", "from ..legs import caller"),
        ("protocols.websocket", "import websockets"),
        ("protocols.websocket", "from websockets import connect"),
        ("protocols.websocket", "from websockets.trio.client import connect"),
        ("protocols.__init__", "from ..legs import caller"),
        ("call", "import httpx2"),
        ("legs.websocket", "from websockets.trio.client import connect"),
        ("call", "from trio_voice.edges.app import create_app"),
        ("legs.caller", "import quart"),
        ("registry", "import trio_voice.config"),
        ("journal.sqlite", "import psycopg"),
        ("journal.postgres", "import trio"),
        ("edges.app", "from trio_voice.config import Config"),
        ("edges.app", "from trio_voice.sandbox.twilio import Twilio"),
        ("edges.app", "import asyncio"),
        ("daemon", "from trio_voice.sandbox import twilio"),
        ("sandbox.demo", "from trio_voice.daemon import run_daemon"),
        ("__init__", "from trio_voice.bridge import Bridge"),
    ],
)
def test_an_outward_import_is_found(module: str, source: str) -> None:
    assert len(list(violations(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "bridge",
            "import attrs, math\nfrom datetime import datetime\nfrom trio_voice.audio import FRAME_MS",
        ),
        ("bridge", "from trio_voice import __version__, conversation"),
        (
            "protocols.websocket",
            "from websockets.client import ClientProtocol\nfrom websockets import frames",
        ),
        ("call", "import structlog, trio\nfrom trio_voice.legs import caller"),
        ("edges.app", "import quart\nfrom trio_voice.registry import Registry"),
        ("protocols.gemini_live", "from trio_voice.transcode import FromTelephone"),
        ("sandbox.demo", "import httpx2\nfrom . import twilio\nfrom trio_voice.edges import server"),
        ("cli", "import click\nfrom trio_voice.sandbox import demo\nfrom trio_voice import daemon"),
    ],
)
def test_an_inward_import_is_not(module: str, source: str) -> None:
    assert list(violations(module, source)) == []


def test_a_module_without_a_ring_is_a_failure_that_says_what_to_do() -> None:
    [sentence] = violations("utils", "")
    assert "add it to the innermost row of RINGS in test_layering.py" in sentence
