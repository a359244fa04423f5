"""The architecture, as a table and a test: imports point inwards only.

Every import counts, wherever it stands: in a function, under `if TYPE_CHECKING`, in `import_module("...")`.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "trio_voice"
SOURCE = Path(__file__).parent.parent / PACKAGE

ANYTHING = "*"


class Ring(NamedTuple):
    """One row of the table: each field is a list of names, and a name includes what lies below it."""

    modules: str
    """Modules of trio_voice that these are."""
    sees: str
    """Rows that they may import."""
    packages: str
    """Third-party packages that they may import."""
    never: str = "asyncio"
    """Parts of the standard library that they may not."""


NO_CLOCK_NO_IO = "asyncio multiprocessing select selectors socket ssl subprocess threading time"

WEBSOCKETS_SANS_IO = (
    " websockets.client websockets.datastructures websockets.exceptions websockets.extensions"
    " websockets.frames websockets.headers websockets.http11 websockets.protocol websockets.server"
    " websockets.speedups websockets.streams websockets.typing websockets.uri websockets.utils"
)

RINGS = {
    # Ring 0, where sound is computed with: alone in knowing numpy.
    "sound": Ring(
        modules="audio.resampler",
        sees="pure",
        packages="numpy",
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 0, where figures become words: alone in knowing num2words.
    "figures": Ring(
        modules="speech_text.spoken_numbers",
        sees="pure",
        packages="num2words",
        never=NO_CLOCK_NO_IO,
    ),
    # Ring 0: decisions and what they are about. No trio, no clock, no socket; time is an argument.
    "pure": Ring(
        modules=(
            "audio billing bridge chain errors events limits persona record session_record setting_fields speech_text "
            "timeline tokens"
        ),
        sees="pure protocols figures",
        packages="attrs msgspec",
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
    # Ring 1: what keeps one call's failure from the others.
    "isolation": Ring(
        modules="isolation",
        sees="pure",
        packages="structlog trio",
    ),
    # Ring 1, where a chain asks its language model: alone in knowing how HTTP is written, and no SDK.
    "http": Ring(
        modules="net.http net.http_connection",
        sees="pure protocols isolation http net",
        packages="attrs h11 trio",
    ),
    # Ring 1: sockets that know no call.
    "net": Ring(
        modules="net",
        sees="pure protocols http net",
        packages="attrs msgspec structlog trio" + WEBSOCKETS_SANS_IO,
    ),
    # Ring 1, where the journal meets its server: alone in knowing psycopg, and imported only where it is needed.
    "postgres": Ring(
        modules="journal.postgres",
        sees="pure journal postgres",
        packages="attrs structlog psycopg",
    ),
    # Ring 1: what is written down. No call, no leg.
    "journal": Ring(
        modules="journal",
        sees="pure isolation journal postgres",
        packages="attrs msgspec structlog trio",
    ),
    # Ring 1: the two sides of a call.
    "legs": Ring(
        modules="legs",
        sees="pure protocols isolation http net legs",
        packages="attrs msgspec structlog trio" + WEBSOCKETS_SANS_IO,
    ),
    # Ring 1: what is recorded of a call on this machine. No leg, no socket.
    "recorder": Ring(
        modules="recorder",
        sees="pure isolation recorder",
        packages="attrs structlog trio",
    ),
    # Ring 1: a call's nursery and deadlines. No web framework, no SDK.
    "call": Ring(
        modules="call tools",
        sees="pure numbers protocols isolation http net journal postgres legs recorder call",
        packages="attrs msgspec structlog trio" + WEBSOCKETS_SANS_IO,
    ),
    # Ring 2: one foreign library or interface each.
    "edges": Ring(
        modules="edges",
        sees="pure numbers protocols isolation http net journal legs recorder call edges",
        packages=ANYTHING,
    ),
    # Ring 3: the only readers of files, environment, signals.
    "config": Ring(
        modules="config",
        sees="pure numbers protocols isolation http net journal legs recorder call config",
        packages=ANYTHING,
    ),
    "daemon": Ring(
        modules="daemon",
        sees="pure numbers protocols isolation http net journal legs recorder call edges config daemon",
        packages=ANYTHING,
    ),
    # Ring 3, its top floor: alone in knowing the sandbox.
    "cli": Ring(
        modules="__main__ cli",
        sees="pure numbers protocols isolation http net journal legs recorder call edges config daemon cli"
        " speech sandbox",
        packages=ANYTHING,
    ),
    # Beside the rings: ears and voices of this machine.
    "speech": Ring(
        modules="speech",
        sees="pure sound speech",
        packages=ANYTHING,
    ),
    # Beside the rings: a Twilio and a voice agent on this machine. Not part of what serves a call.
    "sandbox": Ring(
        modules="sandbox",
        sees="pure sound protocols http net journal legs call edges speech sandbox",
        packages=ANYTHING,
    ),
    # Beside the rings: tools as a user writes them. They know what a tool may know of its call, and nothing else.
    "examples": Ring(
        modules="examples",
        sees="call examples",
        packages="",
    ),
    # Importing anything imports this first, so it imports nothing.
    "root": Ring(
        modules="__init__",
        sees="",
        packages="",
    ),
}
"""The first row that has a module is its row: a part of a folder with rules of its own stands before the folder."""


def is_within(name: str, names: str) -> bool:
    """True if a dotted name is one of these, or lies below one of them."""
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
    """Faults of a module's imports, a sentence each. A package's `__init__` is named as one."""
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


def import_circle(sources: Mapping[str, str]) -> list[str]:
    """Modules of which each imports the one before it, the first being the last again; empty if there are none.

    Args:
        sources: the text of each module by its name, a package's `__init__` being named as one.
    """
    names = {module.removesuffix(".__init__") for module in sources}

    def imported(name: str) -> str:
        """The module that a full dotted name is of, or is."""
        inner = name.removeprefix(f"{PACKAGE}.")
        while inner and inner not in names:
            inner = inner.rpartition(".")[0]
        return inner

    graph = {}
    for module, source in sources.items():
        here = module.removesuffix(".__init__")
        ours = (name for _, name in imports_of(module, source) if name.startswith(f"{PACKAGE}."))
        graph[here] = {imported(name) for name in ours} - {"", here}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


MODULES = sorted((".".join(path.relative_to(SOURCE).with_suffix("").parts), path) for path in SOURCE.rglob("*.py"))


def test_imports_point_inwards() -> None:
    assert [each for module, path in MODULES for each in violations(module, path.read_text(encoding="utf-8"))] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert import_circle({module: path.read_text(encoding="utf-8") for module, path in MODULES}) == []


@pytest.mark.parametrize(
    "sources",
    [
        {"a": "from trio_voice.b import f", "b": "from trio_voice import a"},
        {
            "a": "import trio_voice.b",
            "b": "def f():\n    from trio_voice.c import g",
            "c": "from trio_voice.a import h",
        },
        {"a.__init__": "from trio_voice.a.b import f", "a.b": "from . import g"},
    ],
)
def test_a_circle_of_imports_is_found(sources: dict[str, str]) -> None:
    assert set(import_circle(sources)) == {module.removesuffix(".__init__") for module in sources}


def test_modules_that_share_what_they_import_are_no_circle() -> None:
    sources = {"a": "from trio_voice import b, c", "b": "from .c import f", "c": "import trio", "__init__": ""}
    assert import_circle(sources) == []


def test_the_modules_were_found() -> None:
    assert "__init__" in dict(MODULES)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bridge.bridge", "import trio"),
        ("bridge.bridge", "import time"),
        ("bridge.bridge", "from time import monotonic"),
        ("bridge.bridge", "def f():\n    from trio_voice import call"),
        (
            "bridge.bridge",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from trio_voice.call.call import Call",
        ),
        ("bridge.bridge", "from .. import call"),
        ("bridge.bridge", "from importlib import import_module\nimport_module('trio_voice.call.call')"),
        ("bridge.bridge", "import websockets.protocol"),
        ("bridge.bridge", "import numpy"),
        ("bridge.bridge", "from trio_voice.audio.resampler import ToTelephone"),
        ("protocols.gemini_live", "import numpy"),
        ("protocols.media_streams", "from ..legs import caller"),
        ("protocols.websocket", "import websockets"),
        ("protocols.websocket", "from websockets import connect"),
        ("protocols.websocket", "from websockets.trio.client import connect"),
        ("protocols.__init__", "from ..legs import caller"),
        ("call.call", "import httpx2"),
        ("net.websocket", "from websockets.trio.client import connect"),
        ("call.call", "from trio_voice.edges.web.app import create_app"),
        ("legs.caller", "import quart"),
        ("call.registry", "import trio_voice.config.settings"),
        ("journal.sqlite", "import psycopg"),
        ("journal.postgres", "import trio"),
        ("edges.web.app", "from trio_voice.config.settings import Config"),
        ("edges.web.app", "from trio_voice.sandbox.twilio.server import Twilio"),
        ("edges.web.app", "import asyncio"),
        ("daemon.daemon", "from trio_voice.sandbox import twilio"),
        ("sandbox.demo.demo", "from trio_voice.daemon.daemon import run_daemon"),
        ("net.websocket", "from trio_voice.legs import caller"),
        ("journal.rows", "from trio_voice.call.registry import Registry"),
        ("legs.caller", "from trio_voice.call.call import Call"),
        ("config.settings", "from trio_voice.daemon import daemon"),
        ("daemon.daemon", "from trio_voice.speech import speech"),
        ("__init__", "from trio_voice.bridge.bridge import Bridge"),
    ],
)
def test_an_outward_import_is_found(module: str, source: str) -> None:
    assert len(list(violations(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "bridge.bridge",
            "import attrs, math\nfrom datetime import datetime\nfrom trio_voice.audio.mulaw import FRAME_MS",
        ),
        ("bridge.bridge", "from trio_voice import __version__\nfrom trio_voice.events import model"),
        (
            "protocols.websocket",
            "from websockets.client import ClientProtocol\nfrom websockets import frames",
        ),
        ("call.call", "import structlog, trio\nfrom trio_voice.legs import caller"),
        ("edges.web.app", "import quart\nfrom trio_voice.call.registry import Registry"),
        ("protocols.gemini_live", "from trio_voice.audio.resampler import FromTelephone"),
        ("sandbox.demo.demo", "import httpx2\nfrom .. import twilio\nfrom trio_voice.edges.web import server"),
        ("cli", "import click\nfrom trio_voice.sandbox.demo import demo\nfrom trio_voice.daemon import daemon"),
    ],
)
def test_an_inward_import_is_not(module: str, source: str) -> None:
    assert list(violations(module, source)) == []


SEEN_BY_FAKES = "sandbox speech net.channel errors events.stage"
"""All of trio_voice that the sandbox may import: itself, ears and voice, what a socket is to whoever uses it, and what
whoever asks a language model in memory is given. So no audio, no protocols, no legs: a mistake of theirs would be the
fake's, too, and nobody would see it. What puts the daemon beside the fakes (``demo``, ``peers``) is bound likewise."""
SEEN_BY_SPEECH = "speech audio.mulaw persona speech_text"
"""The base64 of lines, and how a text is spoken; not the resampler, which the fakes judge by a filter of speech's."""


@pytest.mark.parametrize(
    ("folder", "seen"), [("sandbox", SEEN_BY_FAKES), ("speech", SEEN_BY_SPEECH)], ids=["sandbox", "speech"]
)
def test_the_fakes_share_nothing_with_what_they_judge(folder: str, seen: str) -> None:
    shared = [
        f"{module}:{line} imports {name}"
        for module, path in MODULES
        if is_within(module, folder)
        for line, name in imports_of(module, path.read_text(encoding="utf-8"))
        if name.startswith(f"{PACKAGE}.") and not is_within(name.removeprefix(f"{PACKAGE}."), seen)
    ]
    assert shared == []


def test_the_fakes_know_no_phrase_of_ours() -> None:
    """Words by which we ask a model for something are ours to change: a fake understands them or does not."""
    ours = "Say exactly this and nothing else: "
    assert ours in (SOURCE / "bridge" / "speaking.py").read_text(encoding="utf-8")
    fakes = [(module, path.read_text(encoding="utf-8")) for module, path in MODULES if is_within(module, "sandbox")]
    for phrase in (ours.strip(), ours.split(" and ", maxsplit=1)[0], ours.split(" and ")[1]):
        assert [module for module, text in fakes if phrase.lower() in text.lower()] == []


def test_a_module_without_a_ring_is_a_failure_that_says_what_to_do() -> None:
    [sentence] = violations("utils", "")
    assert "add it to the innermost row of RINGS in test_layering.py" in sentence
