"""Find the data folders that ship with the package: prompts, finetune, eval/protocols."""

from __future__ import annotations

from pathlib import Path

from llmrec.errors import EnvironmentFault

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """Return the folder ``name``: inside the wheel, or beside the package in a checkout.

    Raises EnvironmentFault where neither holds it (a damaged installation).
    """
    for path in (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise EnvironmentFault(f"the folder '{name}' is not in this installation; reinstall llmrec")
