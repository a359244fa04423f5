"""Lines on the operator's terminal, in which strangers may have written: callers, providers, proxies, a journal."""

from __future__ import annotations

import json
import sys

import click

from trio_voice.errors import one_line


def print_line(line: str, *, err: bool = False) -> None:
    """Print one line, whole. What would command a terminal, or be a line of its own, is written out."""
    click.echo(one_line(line, sys.maxsize), err=err)


def print_json(content: object) -> None:
    """Print for programs."""
    click.echo(json.dumps(content, indent=2))
