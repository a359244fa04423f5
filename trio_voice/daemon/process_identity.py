"""Identity of processes on one machine: certain knowledge of which this is, and whether another is still there.

A daemon that is restarted after a crash need not wait for its predecessor's heart to be missed: the kernel knows. Four
words name a process for that: the machine's boot, the pid namespace, the pid, and when the process began. Whoever runs
in the same boot and the same namespace can see whether it is there; to everybody else the words mean nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

BOOT_VARIABLE: Final = "TRIO_VOICE_BOOT_ID"
"""Set by our systemd unit, in whose sandbox ``/proc/sys`` is not seen."""
BOOT_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE_LINK: Final = Path("/proc/self/ns/pid")


def this_process() -> str:
    """The name of this process, or nothing where the system does not tell (it is not Linux, or hides ``/proc``)."""
    try:
        boot = os.environ.get(BOOT_VARIABLE) or BOOT_FILE.read_text(encoding="ascii").strip()
        began = _state_and_start(os.getpid())[1]
        return f"{boot.replace('-', '')} {NAMESPACE_LINK.readlink()} {os.getpid()} {began}"
    except (OSError, ValueError, IndexError):
        return ""


def has_ended(process: str) -> bool:
    """True if a process is certainly gone. False also where that cannot be known from here.

    Args:
        process: as ``this_process`` named it, there.
    """
    here = this_process().split()
    words = process.split()
    if len(here) != 4 or len(words) != 4 or words[:2] != here[:2] or not words[2].isdecimal():
        return False
    pid = int(words[2])
    try:
        os.kill(pid, 0)  # not by /proc, which may hide other users' processes
    except ProcessLookupError:
        return True
    except OSError:  # it is there, and another user's
        return False
    try:
        state, began = _state_and_start(pid)
    except (OSError, ValueError, IndexError):
        return False
    return began != words[3] or state in "ZX"  # another by the same number; or dead, and its parent has not looked


def _state_and_start(pid: int) -> tuple[str, str]:
    """A process's state, and its start in ticks since the boot (proc(5), fields 3 and 22)."""
    # Behind the name, which may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return fields[0], fields[19]
