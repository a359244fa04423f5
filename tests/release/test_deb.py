"""The Debian package in a Debian of its own, under a real systemd: installed, run, upgraded in mid-call, purged."""

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
import trio

from tests.daemons import HOST, OUR_NUMBER, THEIR_NUMBER, open_town
from tests.release.calls import configure, free_port, hang_up, health, talk
from tests.release.conftest import ROOT, run
from tests.release.debian_root import booted, why_not
from trio_voice.config.reading import read_settings
from trio_voice.sandbox.demo.scenes import OPERATOR_TOKEN

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NEXT = "99.1.0"
UNIT = "trio-voice.service"
ETC = "etc/trio-voice"
TOKENS = ("twilio_auth_token", "trio_voice_api_token")


def test_the_package_has_the_version_of_the_project():
    first = (ROOT / "debian" / "changelog").read_text().splitlines()[0]
    assert first.startswith(f"trio-voice ({VERSION}) ")


def test_what_is_packed_is_pinned_as_it_is_tested():
    def pins(name):
        return set(re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("release/constraints.txt") < pins("constraints.txt")
    missing = pins("constraints-server.txt") - pins("release/constraints.txt")
    assert {pin.partition("==")[0] for pin in missing} <= {
        *("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
    }


async def asked(port, token):
    """Status with which the operator's routes answer a token."""
    async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as http:
        return (await http.get(f"http://127.0.0.1:{port}/calls")).status_code


async def become(port, old, new):
    """Wait until the two tokens are answered so: ``systemctl reload`` may be back before the daemon has read them."""
    with trio.fail_after(60):
        while [await asked(port, each) for each in (OPERATOR_TOKEN, "n3w")] != [old, new]:
            await trio.sleep(0.2)


def test_the_configuration_of_these_tests_is_one_that_we_take(tmp_path):
    """The quick part: otherwise it is found out once a release."""
    account = {"account_sid": "AC" + "0" * 32, "auth_token": "t", "api_url": "http://127.0.0.1:1"}
    town = SimpleNamespace(twilio=SimpleNamespace(**account), agent=SimpleNamespace(url="ws://127.0.0.1:1/v1/ws"))
    (tmp_path / "credentials").mkdir()
    configure(tmp_path, town, "127.0.0.1:8080")
    settings = read_settings(tmp_path / "config.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert settings.server.bind == "127.0.0.1:8080"


@pytest.fixture(scope="module")
def packages(dist, tmp_path_factory):
    """This version and one that will come, each of a commit."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("packages")
    environment = os.environ | {"PIP_CACHE_DIR": str(folder / "cache")}
    for built in dist:
        shutil.copy(built, folder)
    run("release/deb.sh", folder, env=environment, timeout=500)
    clone, later = folder / "clone", folder / "later"
    run("git", "clone", "-q", ROOT, clone)
    project, changelog = clone / "pyproject.toml", clone / "debian" / "changelog"
    project.write_text(project.read_text().replace(f'version = "{VERSION}"', f'version = "{NEXT}"'))
    changelog.write_text(changelog.read_text().replace(f"({VERSION})", f"({NEXT})"))
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "next", cwd=clone)
    run("release/dist.sh", sys.executable, later, cwd=clone)
    run("release/deb.sh", later, cwd=clone, env=environment, timeout=500)
    [now], [then] = folder.glob("*.deb"), later.glob("*.deb")
    return now, then


@pytest.fixture(scope="module")
def root(packages, debian, tmp_path_factory):
    """A system without it, running."""
    folder = tmp_path_factory.mktemp("installed") / "root"
    run("cp", "-a", debian, folder)
    for package in packages:
        shutil.copy(package, folder / "root")
    with booted(folder) as system:
        yield system
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.release
async def test_its_whole_life(packages, root, tmp_path):
    now, then = packages
    port = free_port()

    async def inside(*command, **how):
        return await trio.to_thread.run_sync(lambda: root.run(*command, **how))

    # Installed: there, and not run before it is configured.
    said = await inside("dpkg", "-i", f"/root/{now.name}")
    assert "systemctl enable --now trio-voice" in said
    assert root.show(UNIT, "ActiveState") == "inactive"
    assert (root.folder / "opt/trio-voice").readlink() == Path(f"trio-voice-{VERSION}")
    assert await inside("trio-voice", "--version") == f"trio-voice {VERSION}\n"
    unit = (root.folder / "lib/systemd/system" / UNIT).read_text()
    assert unit == (ROOT / "trio_voice/systemd/trio-voice.service").read_text()
    assert unit == await inside("/opt/trio-voice/bin/trio-voice", "unit")
    assert await inside("systemd-analyze", "verify", "--man=no", UNIT) == ""
    assert await inside("dpkg", "--verify", "trio-voice") == ""
    assert (root.folder / ETC / "credentials").stat().st_mode & 0o777 == 0o700
    for extra in ("trio_voice.journal.postgres", "trio_voice.protocols.gemini_live.session"):
        await inside("/opt/trio-voice/bin/python", "-c", f"import {extra}")

    async with open_town(tmp_path) as town:
        town.twilio.connect_to(HOST, port)
        config = configure(root.folder / ETC, town, f"127.0.0.1:{port}")

        # Run: ready when systemctl is back, as a user of its own, with its journal where the unit has it.
        await inside("systemctl", "enable", "--now", "trio-voice")
        assert (await health(port))["status"] == "ok"
        assert "0\n" not in await inside("ps", "-o", "uid=", "-p", root.show(UNIT, "MainPID"), status=None)
        call = await talk(town)
        await hang_up(town, call)
        assert (root.folder / "var/lib/private/trio-voice/journal.db").is_file()

        # Tokens change under a call, two of each valid meanwhile; a restart reads what stands in the files.
        call, pid = await talk(town), root.show(UNIT, "MainPID")
        twilios, operators = (root.folder / ETC / "credentials" / f"{name}" for name in TOKENS)
        old = town.twilio.auth_token
        assert [await asked(port, each) for each in (OPERATOR_TOKEN, "n3w")] == [200, 401]
        twilios.write_text(f"{old}\nn3xt\n")
        operators.write_text(f"n3w\n{OPERATOR_TOKEN}\n")
        await inside("systemctl", "reload", "trio-voice")
        await become(port, 200, 200)
        town.twilio.account.auth_token = "n3xt"  # what it signs and opens its REST API with
        twilios.write_text("n3xt\n")
        operators.write_text("n3w\n")
        await inside("systemctl", "reload", "trio-voice")
        await become(port, 401, 200)
        copies = root.folder / "run/trio-voice-credentials"
        assert await inside("stat", "-c", "%a", "/run/trio-voice-credentials") == "700\n"
        assert root.show(UNIT, "MainPID") == pid
        await hang_up(town, call)
        await inside("systemctl", "restart", "trio-voice")
        assert not copies.exists()
        assert [await asked(port, each) for each in (OPERATOR_TOKEN, "n3w")] == [401, 200]
        await hang_up(town, await talk(town))

        # A version that refuses the configuration takes the place of none.
        pid = root.show(UNIT, "MainPID")
        (root.folder / ETC / "config.toml").write_text(config + "[nonsense]\n")
        said = await inside("dpkg", "-i", f"/root/{then.name}", status=1)
        assert "nonsense" in said
        assert f"{NEXT} refuses /etc/trio-voice/config.toml" in said
        assert (root.folder / "opt/trio-voice").readlink() == Path(f"trio-voice-{VERSION}")
        assert root.show(UNIT, "MainPID") == pid
        call = await talk(town)

        # Mended, and upgraded in the middle of that call, which goes on in the old version until its caller hangs up.
        (root.folder / ETC / "config.toml").write_text(config)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inside, "dpkg", "--configure", "trio-voice")
            with trio.fail_after(60):
                while (await health(port))["status"] != "draining":
                    await trio.sleep(0.1)
            heard = len(town.agent.open_sessions)
            await trio.sleep(3)
            assert heard == len(town.agent.open_sessions) == 1
            assert not call.over
            refused = await town.twilio.call_in(f"https://{HOST}/twiml", from_=THEIR_NUMBER, to=OUR_NUMBER)
            with trio.fail_after(30):
                await refused.ended.wait()
            assert not refused.streams
            await hang_up(town, call)
        assert call.ended_by != "rest"
        assert (root.folder / "opt/trio-voice").readlink() == Path(f"trio-voice-{NEXT}")
        assert await inside("trio-voice", "--version") == f"trio-voice {NEXT}\n"
        assert root.show(UNIT, "MainPID") != pid
        assert root.show(UNIT, "ActiveState") == "active"
        assert (root.folder / ETC / "config.toml").read_text() == config
        await hang_up(town, await talk(town))

        # The way back is the link and a restart.
        await inside("ln", "-sfn", f"trio-voice-{VERSION}", "/opt/trio-voice")
        await inside("systemctl", "restart", "trio-voice")
        assert await inside("trio-voice", "--version") == f"trio-voice {VERSION}\n"
        await hang_up(town, await talk(town))

        # Removed: stopped, and its configuration kept. Purged: nothing is left but what its operator alone may delete.
        await inside("dpkg", "--remove", "trio-voice")
        assert not list((root.folder / "opt").iterdir())
        assert (root.folder / ETC / "config.toml").read_text() == config
        assert (root.folder / ETC / "credentials/twilio_auth_token").is_file()
        with pytest.raises(httpx2.ConnectError):
            await health(port)
        said = await inside("dpkg", "--purge", "trio-voice")
        assert "do-not-call list, is left in /var/lib/private/trio-voice" in said
        assert not (root.folder / ETC).exists()
        assert (root.folder / "var/lib/private/trio-voice/journal.db").is_file()
        left = await inside("find", "/etc", "/usr", "/lib", "/opt", "-path", "*trio-voice*")
        assert not left, left
