"""Draw the packages of llmrec and what they import: python docs/site/picture.py write | check.

From the import graph of the code, not from what is declared; docs/pictures/imports.svg. An arrow that follows from
others is left out.
"""

from __future__ import annotations

import re
import sys
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "pictures" / "imports.svg"
# Boxes of one width in rows; sizes in pixels.
WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 124, 34, 36, 42, 16
STYLE = (
    "rect{fill:#eef3fb;stroke:#3b5b92}text{font:14px system-ui,sans-serif;fill:#14233c;text-anchor:middle}"
    "path{fill:none;stroke:#5c6f8f;stroke-width:1.3;marker-end:url(#tip)}marker path{fill:#5c6f8f;stroke:none}"
)
Graph = dict[str, set[str]]
# Also those inside functions, and those for types alone.
IMPORT = re.compile(r"^ *(?:from|import) llmrec(?:\.([\w.]+)| import (.+))", re.MULTILINE)


def main(words: list[str]) -> int:
    """Run one of the two commands; returns the exit code."""
    match words:
        case ["write"]:
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_text(drawn(reduced(imports(ROOT / "llmrec"))), encoding="utf-8")
            return 0
        case ["check"]:
            return 0 if PICTURE.read_text(encoding="utf-8") == drawn(reduced(imports(ROOT / "llmrec"))) else 1
    print(__doc__, file=sys.stderr)
    return 2


def imports(package: Path) -> Graph:
    """Return which part of a package imports which others: its folders, and the files beside them."""
    parts = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    graph: Graph = {part: set() for part in sorted(parts) if not part.startswith("_")}
    for file in package.rglob("*.py"):
        part = file.relative_to(package).parts[0].removesuffix(".py")
        for module, named in IMPORT.findall(file.read_text(encoding="utf-8")):
            ones = {module.split(".")[0]} if module else set(re.findall(r"\w+", named))
            if part in graph:
                graph[part] |= (ones & graph.keys()) - {part}
    return graph


def reduced(graph: Graph) -> Graph:
    """Leave out what follows: an import of what something else that is imported imports."""

    def below(part: str) -> set[str]:
        return set().union(*(({one} | below(one)) for one in graph[part]))

    def follows(one: str, part: str) -> bool:
        return any(one in below(other) for other in graph[part])

    return {part: {one for one in ones if not follows(one, part)} for part, ones in graph.items()}


def rows_of(graph: Graph) -> list[list[str]]:
    """Put every part above all that it imports, as low as that allows; in a row, above what it is joined to."""

    def depth(part: str) -> int:
        return max((1 + depth(one) for one in graph[part]), default=0)

    rows: list[list[str]] = [[] for _ in range(1 + max(map(depth, graph)))]
    for part in sorted(graph):
        rows[depth(part)].append(part)
    for _ in range(8):
        for lower, row in pairwise(rows):
            row.sort(key=lambda part: _mean([_share(lower, one) for one in graph[part] if one in lower]))
    return rows[::-1]


def _share(row: list[str], part: str) -> float:
    return (row.index(part) + 0.5) / len(row)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def drawn(graph: Graph) -> str:
    """Return the graph as SVG."""
    rows = rows_of(graph)
    widest = max(len(row) for row in rows)
    width = 2 * MARGIN + widest * (WIDTH + ACROSS) + ACROSS
    height = 2 * MARGIN + len(rows) * (HEIGHT + DOWN) - DOWN
    corners: dict[str, tuple[float, float]] = {}
    for n, row in enumerate(rows):
        left = (width - len(row) * (WIDTH + ACROSS) + ACROSS) / 2
        shift = (n % 2 - 0.5) * (WIDTH + ACROSS) / 2 if len(row) < widest else 0  # arrows pass beside boxes
        top = MARGIN + n * (HEIGHT + DOWN)
        corners |= {part: (left + shift + k * (WIDTH + ACROSS), top) for k, part in enumerate(row)}
    arrows = [_arrow(corners[part], corners[one]) for part in sorted(graph) for one in sorted(graph[part])]
    boxes = [_box(part, *corner) for part, corner in sorted(corners.items())]
    said = "; ".join(f"{part} imports {', '.join(sorted(ones))}" for part, ones in sorted(graph.items()) if ones)
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            f"<title>The packages of llmrec and what they import</title><desc>{escape(said)}</desc>",
            f'<style>{STYLE}</style><defs>{tip}<path d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect width="{width}" height="{height}" style="fill:#fff;stroke:none"/>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH / 2, start[1] + HEIGHT, end[0] + WIDTH / 2, end[1] - 2
    bend = (y2 - y1) / 2
    return f'<path d="M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"/>'


def _box(part: str, x: float, y: float) -> str:
    rectangle = f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
    return f'{rectangle}<text x="{x + WIDTH / 2:.0f}" y="{y + 22:.0f}">{escape(part)}</text>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
