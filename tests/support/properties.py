"""How many examples a property is tried on: a few by default, all of them among the slow tests."""

from __future__ import annotations

import pytest


def searched(most: int) -> pytest.MarkDecorator:
    """Give a test the argument ``examples``: a third of ``most``, and as a slow test ``most``."""
    return pytest.mark.parametrize("examples", [most // 3, pytest.param(most, marks=pytest.mark.slow)])
