"""Write eval/REPORT.md from eval/results/: python eval/report.py write | check | html.

Every number in it comes from a result file; `check` fails when it is older than the results. `html` builds
eval/REPORT.html, the same text with figures, which is not committed.
"""

from __future__ import annotations

import html
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from llmrec.errors import DataError
from llmrec.evaluation import Report, ResponseReport
from llmrec.evaluation.report import plots
from llmrec.evaluation.report.tables import BEYOND, beyond_cells

HERE = Path(__file__).resolve().parent
RESULTS, MARKDOWN, PAGE = HERE / "results", HERE / "REPORT.md", HERE / "REPORT.html"
INTRO = """# Results

Written by `eval/report.py` from `eval/results/`; do not edit. `python eval/run.py --suite NAME` makes those
that name their command here.
Intervals are 95 % bootstrap intervals over users. Times and memory are of the machine named with each table, with
other work running on it unless said otherwise.
"""


def steps() -> dict[str, dict[str, Any]]:
    """Return every step of every suite by its result's name."""
    suites = yaml.safe_load((HERE / "suites.yaml").read_text(encoding="utf-8"))
    return {step["result"]: step for suite in suites.values() for step in suite}


def sections() -> list[tuple[str, str, Report | None]]:
    """Return title, Markdown and, where it is one, the judge's report of each result, in order of its name."""
    made = []
    for path in sorted(RESULTS.glob("*.json")):
        if path.name == "readme_api.json":
            continue
        values = json.loads(path.read_text(encoding="utf-8"))
        step = steps().get(path.name, {})
        title = step.get("title", path.stem.replace("_", " ").replace("-", " ").capitalize())
        try:
            report = Report.from_dict(values)
        except DataError:
            report = None
        body = _judged(report) if report else _body(values)
        command = [
            f"    {line.format(python='python', llmrec='llmrec', peers='')}" for line in step.get("commands", [])
        ]
        made.append((title, "\n".join([body, *([""] if command else []), *command]) + "\n", report))
    peers = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((RESULTS / "peers").glob("*.json"))]
    return [*made, ("Peers, in environments of their own", _peers(peers), None)] if peers else made


def markdown() -> str:
    """Return REPORT.md."""
    return INTRO + "".join(f"\n## {title}\n\n{body}" for title, body, _ in sections())


def page() -> str:
    """Return REPORT.html: the same text, with the figures."""
    parts = []
    for title, body, report in sections():
        figures = []
        if report:
            column = report.context.protocol.columns[0]
            drawn = plots.against_cost(report.results, column), plots.by_history(report.results)
            figures = [svg for svg in (*drawn, plots.learning_curves(report.results)) if svg]
        parts.append(f"<h2>{html.escape(title)}</h2>\n<pre>{html.escape(body)}</pre>\n" + "\n".join(figures))
    style = "body{font:16px system-ui;max-width:1100px;margin:2rem auto;padding:0 1rem}pre{overflow:auto}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Results</title><style>{style}</style>'
    return f"{head}\n<h1>Results</h1>\n" + "\n".join(parts) + "\n</html>\n"


def _body(values: dict[str, Any]) -> str:
    if "recipes" in values and "p_values" in values:
        return _compared(values)
    return _answered(values) if "results" in values else _facts(values)


def _compared(values: dict[str, Any]) -> str:
    """Write what eval/experiments/accuracy.py found: recipes over seeds, in order and shuffled, and their
    fusion."""
    metrics = list(next(iter(values["recipes"].values()))["mean"])
    rows = []
    for name, found in values["recipes"].items():
        means = [f"{one['mean']:.4f} [{one['low']:.3f}, {one['high']:.3f}]" for one in found["mean"].values()]
        shuffled = [f"{one:.4f}" for one in found.get("shuffled", {}).values()] or ["–"] * len(metrics)
        valid = ", ".join(f"{one:.4f}" for one in found.get("valid_ndcg@10", [])) or "–"
        seconds = ", ".join(f"{one['train_seconds']:,.0f} s" for one in found.get("cost", [])) or "–"
        rows.append([name, valid, *means, *shuffled, seconds])
    data = values["data"]
    told = (
        f"{data['name']}, {data['share_of_users']:.0%} of users: {data['users']:,} users, {data['items']:,} items."
    )
    shuffles = [f"shuffled {name}" for name in metrics]
    table = _table(["recipe", "valid NDCG@10 by seed", *metrics, *shuffles, "training by seed"], rows)
    tests = [
        f"- {pair}: " + ", ".join(f"{m} p = {p:.4f}" for m, p in ps.items())
        for pair, ps in values["p_values"].items()
    ]
    return "\n".join([told, "", table, "", *tests, ""])


def _answered(values: dict[str, Any]) -> str:
    """Write a report on responses."""
    try:
        report = ResponseReport.from_dict(values)
    except DataError:
        return _facts(values)
    machine = f"{report.machine.get('cpus')} × {report.machine.get('processor')}"
    told = f"{report.data}, cut by {report.split}: {report.events:,} events of {report.users:,} users, {machine}."
    return f"{told}\n\n{report.to_markdown()}"


def _judged(report: Report) -> str:
    context, machine = report.context, report.machine
    lines = [
        f"{context.data}, {context.fold} fold of {context.split} (`{context.split_hash[:12]}`), "
        f"{context.users:,} users, {context.items:,} items, {machine.get('cpus')} × {machine.get('processor')}.",
        "",
        report.to_markdown(),
    ]
    if any(result.beyond for result in report.results):
        rows = [[result.model, *beyond_cells(result)] for result in report.results]
        lines += [_table(["model", *BEYOND], rows), ""]
    return "\n".join([*lines, *(f"- {line}" for line in report.verdicts), *(f"- {note}" for note in report.notes)])


def _peers(found: list[dict[str, Any]]) -> str:
    names = list(next((row["metrics"] for row in found if row.get("metrics")), {}))
    rows = []
    for row in found:
        metrics = row.get("metrics") or {}
        cells = [f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in metrics.values()]
        told = cells or [row["failure"], *[""] * (len(names) - 1)]
        rows.append([row["peer"], row["data"], *told, f"{row['seconds']:,.0f} s", f"{row['peak_memory_gib']} GiB"])
    table = _table(["peer", "data", *names, "whole process", "memory"], rows)
    intro = (
        "Their default sizes, few epochs, judged by our metrics on the same split; -short reads the newest "
        "20 items of each person (at most 5 % of amazon-games' have more). A run that failed says why."
    )
    return f"{intro}\n\n{table}\n\n    python eval/experiments/peers.py\n"


def _facts(values: Any, prefix: str = "") -> str:
    rows = [
        [name, value] for name, value in _leaves(values, prefix) if not name.startswith(("versions", "machine"))
    ]
    return _table(["what", "value"], rows)


def _leaves(values: Any, prefix: str) -> list[tuple[str, str]]:
    if isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        return [leaf for name, value in pairs for leaf in _leaves(value, f"{prefix}{name}.")]
    shown = f"{values:,.4g}" if isinstance(values, float) else str(values)
    return [(prefix.rstrip("."), shown)]


def _table(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def main(words: list[str]) -> int:
    """Write one of the two files, or say whether REPORT.md is fresh."""
    match words:
        case ["check"]:
            return 0 if MARKDOWN.read_text(encoding="utf-8") == markdown() else 1
        case ["write"]:
            MARKDOWN.write_text(markdown(), encoding="utf-8")
        case ["html"]:
            PAGE.write_text(page(), encoding="utf-8")
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
