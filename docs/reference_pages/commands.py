"""Every command and option of the command line, as click knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from reference_pages.markdown import MADE, Undocumented, meaning, table, told
from trio_voice.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM: Final = "trio-voice"
OFFERED_BY_CLICK: Final = ("help", "version")


def commands(of: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """All commands that are not hidden, with the words that are typed, a group before what is in it."""
    yield path, of
    if isinstance(of, click.Group):
        context = click.Context(of)
        for name in sorted(of.list_commands(context)):
            each = of.get_command(context, name)
            if each is not None and not each.hidden:
                yield from commands(each, f"{path} {name}")


def options(command: click.Command) -> Iterator[click.Option]:
    """A command's own options: ``--config`` is told once, for all."""
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden and each.name not in (*OFFERED_BY_CLICK, "config"):
            yield each


def page() -> str:
    """The page of the reference.

    Raises:
        Undocumented: a command or an option has no help text.
    """
    parts = [MADE, "# Commands\n\n", meaning("commands", "introduction").strip(), "\n\n"]
    for path, command in commands(main, PROGRAM):
        if path == PROGRAM:
            continue
        if not command.help:
            raise Undocumented(f"the command {path!r} has no help: write a docstring at its function")
        arguments = [f" {each.make_metavar(click.Context(command))}" for each in command.params if _is_argument(each)]
        parts.append(f"## `{path}{''.join(arguments)}`\n\n{told(command.help)}\n\n")
        rows = [_row(path, option) for option in options(command)]
        if rows:
            parts.append(table(("option", "default", "meaning"), rows) + "\n")
    return "".join(parts)


def _is_argument(each: click.Parameter) -> bool:
    return isinstance(each, click.Argument)


def _row(path: str, option: click.Option) -> tuple[str, str, str]:
    if not option.help:
        raise Undocumented(f"the option {option.opts[-1]} of {path!r} has no help: give it help=")
    value = "" if option.is_flag else f" {_metavar(path, option)}"
    words, _, default = told(option.help).partition("[default: ")
    given = option.default
    if default:
        shown = default.removesuffix("]")
    elif option.is_flag or given is None or callable(given) or not isinstance(given, str | int | float):
        shown = "" if option.is_flag or not hasattr(given, "__fspath__") else f"`{given}`"
    else:
        shown = f"`{given}`"
    return f"`{option.opts[-1]}{value}`", shown, words.strip()


def _metavar(path: str, option: click.Option) -> str:
    """What stands for an option's value: ``DATE`` rather than click's list of formats."""
    match option.type:
        case click.DateTime():
            return "DATE"
        case click.types.IntRange() | click.types.FloatRange():
            return "NUMBER"
        case _:
            return option.make_metavar(click.Context(click.Command(path)))
