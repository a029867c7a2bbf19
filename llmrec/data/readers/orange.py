"""Tell the two lines of types and roles that Orange writes below the names of a ``.tab`` file's columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

ENDING = ".tab"
_TYPE = re.compile(r"c|n|d|s|t|continuous|numeric|discrete|categorical|string|text|time", re.IGNORECASE)
# A role, or attributes such as row=1.
_ROLE = re.compile(r"c|class|m|meta|i|ignore|w|weight|([\w-]+=\S*)( [\w-]+=\S*)*|", re.IGNORECASE)


def are_types_and_roles(types: Sequence[str], roles: Sequence[str]) -> bool:
    """Whether two rows of cells are Orange's types of columns and their roles.

    >>> are_types_and_roles(["c", "d", "string"], ["row=1", "", "meta"])
    True
    >>> are_types_and_roles(["1", "7", "4"], ["2", "7", "5"])
    False
    """
    return (
        len(types) == len(roles)
        and any(roles)
        and all(map(_TYPE.fullmatch, types))
        and all(map(_ROLE.fullmatch, roles))
    )
