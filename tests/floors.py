"""Print the least that pyproject.toml requires, one ``name==version`` a line, for ``make test-floors``.

PyTorch is left out: constraints.txt says its version.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# The extras whose packages the tests import, and of the extra dev what the tests need.
EXTRAS = ("baselines", "text")
TOOLS = {"duckdb", "hypothesis", "ir-measures", "pandas", "pytest", "syrupy"}
_REQUIREMENT = re.compile(r"([\w.-]+)>=([\w.]+)(,<\d+)?")


def floors() -> Iterator[tuple[str, str]]:
    """Yield name and least version of what is installed. Raises ValueError for a requirement without one."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *(one for extra in EXTRAS for one in extras[extra])]
    required += [one for one in extras["dev"] if re.split("[>=]", one)[0] in TOOLS]
    for requirement in dict.fromkeys(required):
        floor = _REQUIREMENT.fullmatch(requirement)
        if floor is None:
            raise ValueError(f"pyproject.toml: '{requirement}' has no floor; write name>=version")
        yield floor[1], floor[2]


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in floors() if name != "torch"))
