"""Commands and groups of them: imported when they are called, no option twice, nothing written below a file."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from llmrec.cli.output import say
from llmrec.errors import DataError

# Looks as the rest of the command line does.
PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


WRITTEN = ("out", "events")  # options that name what a command writes


class Lazy(NamedTuple):
    """Where a command is defined, ``package.module:name``, and its docstring's first sentence."""

    path: str
    help: str


class Command(TyperCommand):
    """A command of which an option that takes one value may be given once, and that writes where it can."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line.

        Raises DataError for an option that is repeated, of which the last would win silently, and for a path to
        write that lies below a file: before anything is computed.
        """
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, count in Counter(order).items():
            if count > 1 and parameter.param_type_name == "option" and not _may_repeat(parameter):
                name = max(parameter.opts, key=len)
                raise DataError(f"{name} is given {count} times, but takes one value; give it once")
        remaining = super().parse_args(ctx, args)
        for parameter in self.params:
            written = parameter.name in WRITTEN and parameter.param_type_name == "option"
            if written and ctx.params.get(parameter.name) is not None:
                _check_written(parameter, Path(ctx.params[parameter.name]))
        return remaining


def _may_repeat(option: Any) -> bool:
    return bool(option.multiple or option.is_flag or option.count)


def _check_written(option: Any, path: Path) -> None:
    """Raise DataError for a path that cannot be written: a file stands where a folder must be."""
    folders = [*path.parents] if option.metavar == "FILE" else [path, *path.parents]
    for folder in folders:
        if os.path.lexists(folder) and not folder.is_dir():
            name = max(option.opts, key=len)
            raise DataError(f"{name} {path}: {folder} is a file and no folder; name another path")


def group(text: str) -> typer.Typer:
    """Return a group whose help is printed where no command is named; ``add`` adds commands."""
    return typer.Typer(help=text, callback=help_alone, invoke_without_command=True, **PLAIN)


def add(app: typer.Typer, function: Callable[..., None], name: str | None = None) -> None:
    """Add a command to a group, called as the function is."""
    app.command(name, cls=Command)(function)


def help_alone(context: typer.Context) -> None:
    """Print the commands where none is named: the callback of a group of commands."""
    if context.invoked_subcommand is None:
        say(context.get_help())


def lazy_group(commands: Mapping[str, Lazy]) -> type[TyperGroup]:
    """Return the class of a group of these commands: each is imported when it is called."""

    class LazyGroup(TyperGroup):
        """Help and suggestions import no command."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _LazyCommands(commands)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            with formatter.section("Commands"):
                formatter.write_dl([(name, command.help) for name, command in commands.items()])

    return LazyGroup


class _LazyCommands(MutableMapping[str, Any]):
    """Commands by name, imported when they are read."""

    def __init__(self, commands: Mapping[str, Lazy]) -> None:
        self._commands: dict[str, Any] = dict(commands)

    def __getitem__(self, name: str) -> Any:
        command = self._commands[name]
        if isinstance(command, Lazy):
            command = self._commands[name] = _imported(command.path, name)
        return command

    def __setitem__(self, name: str, command: Any) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)

    def __contains__(self, name: object) -> bool:
        return name in self._commands


def _imported(path: str, name: str) -> Any:
    module, _, attribute = path.partition(":")
    target = getattr(importlib.import_module(module), attribute)
    if not isinstance(target, typer.Typer):
        app = typer.Typer(**PLAIN)
        add(app, cast("Callable[..., None]", target), name)
        target = app
    command = typer.main.get_command(target)
    command.name = name
    return command
