"""The documentation's examples work: shell blocks run, TOML is read, Python is loaded, links lead somewhere."""

import ast
import importlib
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from trio_voice.call.tool_loading import load_tools
from trio_voice.config.reading import read_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<mark>.*?) -->\n+ *)?```(?P<language>\S*)\n(?P<text>.*?)\n *```$",
    re.MULTILINE | re.DOTALL,
)
SHELL = ("sh", "bash", "shell", "console")
SHOWN = ("text", "")
KEYS = [
    *("TWILIO_AUTH_TOKEN", "ASSEMBLYAI_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "XAI_API_KEY"),
    *("AZURE_OPENAI_API_KEY", "ELEVENLABS_API_KEY", "DEEPGRAM_API_KEY", "CARTESIA_API_KEY", "ANTHROPIC_API_KEY"),
]


class Block(NamedTuple):
    page: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    source = page.read_text()
    for found in FENCE.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        indent = len(found["indent"])
        text = "\n".join(row[indent:] for row in found["text"].splitlines())
        yield Block(str(page.relative_to(ROOT)), line, found["language"], found["mark"] or "", text)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(*languages):
    return [block for block in BLOCKS if block.language in languages]


def test_every_block_has_a_language_that_is_looked_at():
    fences = sum(len(re.findall(r"^ *```\S", page.read_text(), re.MULTILINE)) for page in PAGES)
    assert len(BLOCKS) == fences, "a block begins that does not end, or has an odd mark before it"
    odd = [str(block) for block in BLOCKS if block.language not in (*SHELL, "toml", "python", *SHOWN)]
    assert not odd, f"these blocks are neither run nor read: {odd}"


@pytest.mark.parametrize("block", of(*SHOWN), ids=str)
def test_what_nobody_runs_or_reads_here_is_a_file_of_the_examples(block):
    """Word for word, but for its comments: real proxies are tried with those files."""
    files = [file.read_text() for file in (ROOT / "examples").rglob("*") if file.is_file()]
    assert block.text in [re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip() for text in files]


@pytest.mark.parametrize("block", of(*SHELL), ids=str)
def test_a_shell_block_is_run_or_says_why_not(block):
    """`<!-- not run: WHY -->` on the line before it, or `<!-- run: in the background until "WORDS" -->`, or nothing."""
    assert re.fullmatch(r'|not run: \S.+|run: in the background until ".+"', block.mark)


RUN = [page for page in PAGES if any(not b.mark.startswith("not run") for b in blocks_of(page) if b.language in SHELL)]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_shell_blocks_of_a_page_run_in_their_order(page, tmp_path):
    with socket.socket() as taken:
        if taken.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("something listens on port 8080, which the pages name")
    shutil.copy(ROOT / "config.toml", tmp_path)
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    running = []
    try:
        for block in blocks_of(page):
            if block.language not in SHELL or block.mark.startswith("not run"):
                continue
            command = ["bash", "-euo", "pipefail", "-c", block.text]
            if block.mark:
                running.append(begin(command, block, tmp_path, environment))
                continue
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)


def begin(command, block, folder, environment):
    """A command that stays, once it has said what it should."""
    wanted = block.mark.partition('"')[2].removesuffix('"')
    said = folder / f"{block.line}.out"
    with said.open("w") as out:
        # exec: what is ended afterwards is the program, not a shell around it
        *before, last = block.text.splitlines()
        script = "\n".join([*before, f"exec {last}"])
        process = subprocess.Popen([*command[:-1], script], cwd=folder, env=environment, stdout=out, stderr=out)
    while wanted not in said.read_text():
        if process.poll() is not None:
            pytest.fail(f"{block}: ended with {process.returncode}: {said.read_text()}")
        time.sleep(0.1)
    return process


# TOML

SERVER = '[server]\npublic_url = "https://voice.bakery.org"\n'
MODELS = {"aai": '[models.aai]\nkind = "assemblyai-agent"\n', "here": '[models.here]\nkind = "assemblyai-agent"\n'}


def whole(text):
    """An example, with what it needs around it that the page does not show."""
    table = tomllib.loads(text)
    wanted = [each.get("model", []) for each in table.get("personas", {}).values()]
    names = {name for each in wanted for name in ([each] if isinstance(each, str) else each)}
    missing = [MODELS[name] for name in names - table.get("models", {}).keys() if name in MODELS]
    if "prices" not in table and "daily_cost" in table.get("limits", {}):
        missing.append("[prices]\nas_of = 2026-11-20\n")
    if "numbers" in table and "personas" not in table:
        missing.append('[personas.receptionist]\nmodel = "aai"\n' + MODELS["aai"])
    return "\n".join([text, *missing, "" if "server" in table else SERVER])


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_a_toml_block_is_a_configuration(block, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(whole(block.text))
    read_settings(file, dict.fromkeys(KEYS, "k3y"))


# Python


@pytest.mark.parametrize("page", sorted({block.page for block in of("python")}))
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    """Its tools can be loaded, its tests pass. The first line of each block names its file."""
    monkeypatch.syspath_prepend(tmp_path)
    shown = [block for block in of("python") if block.page == page]
    if page == "docs/how-to/testing.md":  # tests what another page shows
        shown = [*(block for block in of("python") if block.page == "docs/how-to/tool.md"), *shown]
    names = []
    for block in shown:
        name = block.text.splitlines()[0].removeprefix("# ")
        assert re.fullmatch(r"[\w/]+\.py", name), f"{block}: its first line names its file, like # shop/orders.py"
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(block.text)
        names.append(name)
    try:
        for name in names:
            module = name.removesuffix(".py").replace("/", ".")
            functions = [
                each.name for each in ast.parse((tmp_path / name).read_text()).body if hasattr(each, "decorator_list")
            ]
            assert functions
            for function in functions:
                if function.startswith("test_"):
                    getattr(importlib.import_module(module), function)()
                else:
                    (tool,) = load_tools([f"{module}:{function}"], numbers=None).values()
                    assert tool.schema.description
    finally:
        for name in names:
            sys.modules.pop(name.removesuffix(".py").replace("/", "."), None)
        sys.modules.pop("shop", None)


# Links: mkdocs looks at those inside docs/, nobody else at those of these


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_to_a_file_and_a_heading(name):
    page = ROOT / name
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (page.parent / path).read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_the_readme_is_for_ten_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_ci_runs_the_readmes_test_command():
    assert "make test " in (ROOT / "README.md").read_text()
    steps = (ROOT / ".ci" / "run").read_text()
    assert re.search(r'^step "make test" \d+ make --no-print-directory test ', steps, re.MULTILINE)
    assert re.search(r'^step_beside "make docs" \d+ make --no-print-directory docs ', steps, re.MULTILINE)


def test_the_table_of_where_things_belong_names_every_room():
    table = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = {path.name for path in (ROOT / "trio_voice").iterdir() if (path / "__init__.py").exists()}
    assert rooms - {"examples"} <= set(re.findall(r"`([a-z_]+)/", table)), (
        "a room of trio_voice is not in CONTRIBUTING.md"
    )
