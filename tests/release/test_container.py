"""The Containerfile, read as text: as nobody, by hashes, drained on SIGTERM, and nothing in it that need not be."""

import json
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from tests.release.conftest import ROOT
from trio_voice.cli import main

IMAGE, BASE = "localhost/trio-voice-test", "localhost/trio-voice-test-base"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def instructions():
    """Each with its words, lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def of(name):
    return [rest for each, rest in instructions() if each == name]


def last_stage():
    found = instructions()
    start = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[start:])


def test_it_runs_as_nobody_in_particular_and_never_as_root():
    user, _, group = last_stage()["USER"].partition(":")
    assert int(user) > 1_000  # by number: Kubernetes' runAsNonRoot cannot judge a name
    assert int(group) > 1_000


def test_it_is_told_to_stop_as_systemd_tells_it_and_without_a_shell_between():
    stage = last_stage()
    assert stage["STOPSIGNAL"] == "SIGTERM"
    program, *words = json.loads(stage["ENTRYPOINT"]) + json.loads(stage["CMD"])
    assert program == "trio-voice"
    assert CliRunner().invoke(main, [*words, "--help"]).exit_code == 0


def test_its_health_is_asked_for_by_what_is_in_it():
    words = last_stage()["HEALTHCHECK"]
    assert re.match(r"--interval=10s --timeout=5s --start-period=30s --retries=3\s+CMD \[", words)
    program, flag, code = json.loads(words.partition("CMD ")[2])
    assert (program, flag) == ("python3", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert "/healthz" in code


def test_all_that_is_installed_is_pinned_by_hashes_or_was_already():
    pips = [
        command
        for rest in of("RUN")
        for command in re.split(r"&&|;", rest)
        if re.search(r"\bpip (install|wheel)", command)
    ]
    assert len(pips) == 2
    for pip in pips:
        assert "--no-deps" in pip
        assert ("--require-hashes" in pip and "--no-build-isolation" in pip) or "--no-index" in pip


def test_nothing_is_fetched_unseen():
    assert not of("ADD")
    assert not any(re.search(r"\b(curl|wget|git)\b", rest) for rest in of("RUN"))
    for rest in of("RUN"):
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest
    [base] = [rest.partition("=")[2] for rest in of("ARG") if rest.startswith("BASE=")]
    assert re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]+", base)


def test_it_is_given_what_it_copies_and_nothing_else():
    copied = [word for rest in of("COPY") if "--from" not in rest for word in shlex.split(rest)[:-1]]
    allowed = (ROOT / ".containerignore").read_text().split()
    assert allowed[0] == "*"
    assert sorted(allowed[1:]) == sorted(f"!{each}" for each in copied)


def test_no_secret_is_in_it():
    for rest in of("ENV") + of("ARG"):
        assert not re.search(r"(TOKEN|KEY|PASSWORD)\s*=", rest)


def test_it_is_of_the_debian_that_the_package_is_tried_on():
    assert "python3" in of("RUN")[-1]
    assert last_stage()["FROM"] == "${BASE}"
