"""A Debian of its own in a folder, with a real systemd that runs in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,adduser"
NEEDED = ("debootstrap", "systemd-nspawn", "dpkg-buildpackage", "dh", "nsenter")
BOOT_SECONDS = 120


def why_not() -> str | None:
    """Reason for which none can be had here, if there is one."""
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        return f"needs {', '.join(missing)}: apt install debootstrap systemd-container debhelper build-essential"
    if os.geteuid() != 0:
        return "a system in a folder is made and run by root alone"
    return None


def make_root(folder: Path) -> None:
    """Make one, of the Debian that this machine is: minutes."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release["VERSION_CODENAME"], str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=900)


@attrs.define
class DebianRoot:
    """One that has been booted; it shares this machine's network."""

    folder: Path
    _leader: int

    def run(self, *command: object, status: int | None = 0, timeout: float = 300) -> str:
        """A command in it, as root: what it said, on both streams."""
        enter = ["nsenter", "--target", str(self._leader), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        done = subprocess.run(
            [*enter, *clean, *(str(word) for word in command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=timeout,
        )
        if status is not None and done.returncode != status:
            journal = self.run("journalctl", "-b", "-o", "short-precise", "-n", "60", status=None)
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{journal[-8000:]}")
        return done.stdout

    def show(self, unit: str, what: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", what, unit).strip()


@contextmanager
def booted(folder: Path) -> Iterator[DebianRoot]:
    """Run its systemd until the block is left."""
    command = ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", f"--directory={folder}", "--boot"]
    with (folder.parent / "boot.log").open("wb") as log:
        container = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        root, until = None, time.monotonic() + BOOT_SECONDS
        while root is None or root.run("systemctl", "is-system-running", status=None).strip() not in (
            "running",
            "degraded",
        ):
            assert container.poll() is None, (folder.parent / "boot.log").read_text()[-2000:]
            assert time.monotonic() < until, (folder.parent / "boot.log").read_text()[-2000:]
            children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
            root = DebianRoot(folder, int(children[0])) if children else None
            time.sleep(0.5)
        yield root
    finally:
        container.terminate()
        try:
            container.wait(60)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait()
