"""Errors a user can act on: each names the thing, the value and the way out, in one line."""

from __future__ import annotations


class LlmrecError(Exception):
    """A failure that is not bad input. The command line exits with 1."""

    exit_code = 1


class EnvironmentFault(LlmrecError):
    """The machine cannot do it: no network and an empty cache, no disk space, a missing extra."""


class FullDisk(EnvironmentFault):
    """No space is left for a batch job, whose parts stay; the command line exits with 2, as a resumable one."""

    exit_code = 2


class MissingExtra(EnvironmentFault):
    """An optional dependency is not installed."""


class TrainingError(LlmrecError):
    """Training could not continue (NaN loss, out of memory). The last good checkpoint stays."""


class EncodingTooLong(TrainingError):
    """Encoding the items' texts would take longer than the whole training may."""


class Interrupted(LlmrecError):
    """Ctrl-C while something was done that can be continued; the message says how."""

    exit_code = 130  # what a shell reports after Ctrl-C


class InputError(LlmrecError):
    """Bad input. The command line exits with 2."""

    exit_code = 2


class DataError(InputError):
    """An event log, a catalog or a history that cannot be used as it is."""


class LeakError(InputError):
    """A split that leaks answers into training; the message names the option to accept it."""


class RecipeError(InputError):
    """A recipe or a ``--set`` with an unknown field or an impossible value."""


class RegistryError(InputError):
    """What another package registers and cannot be used: not importable, something else, or its name is taken."""


class PromptError(InputError):
    """A prompt file that does not follow the schema, or a prompt that does not fit."""


class ModelError(InputError):
    """A base model that cannot be found, or is not what the recipe needs."""


class ArtifactError(InputError):
    """A run directory that is missing, interrupted, damaged or newer than this version."""


class WriteConflict(InputError):
    """A folder that another process is writing, or has written in the meantime."""
