"""Commands, run in this process or in one of their own, and a configuration for them."""

import subprocess
import sys

import click.testing

from trio_voice.cli import main

CONFIG = """\
[server]
bind = "127.0.0.1:{port}"
public_url = "https://voice.example.com"
[twilio]
account_sid = "AC1"
[journal]
url = "sqlite:///{folder}/journal.db"
[models.aai]
kind = "assemblyai-agent"
[personas.receptionist]
model = "aai"
[numbers]
default = "receptionist"
"""
OF_THE_DAEMON = ("calls",), ("hangup", "1"), ("call", "+15557654321")
AUDIT = ("calls", "--audit")


def run(*arguments):
    """A command in this process: for those that set up no logging."""
    return click.testing.CliRunner().invoke(main, arguments)


def process(*arguments):
    """A command as a process of its own."""
    command = [sys.executable, "-m", "trio_voice", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
