"""Print the least that pyproject.toml requires, one ``name==version`` a line, for ``make test-floors``.

PyTorch is left out: constraints.txt says its version.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# Of the extras whose packages the tests import.
EXTRAS = ("baselines", "text")


def floors(*, extras: tuple[str, ...] = EXTRAS) -> Iterator[str]:
    """Yield the floors of the dependencies and of some extras. Raises ValueError for a dependency without one."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    required = [*project["dependencies"]]
    for extra in extras:
        required += project["optional-dependencies"][extra]
    for requirement in dict.fromkeys(required):
        floor = re.fullmatch(r"([\w.-]+)>=([\w.]+)(,<\d+)?", requirement)
        if floor is None:
            raise ValueError(f"pyproject.toml: '{requirement}' has no floor; write name>=version")
        if floor[1] != "torch":
            yield f"{floor[1]}=={floor[2]}"


if __name__ == "__main__":
    print("\n".join(floors()))
