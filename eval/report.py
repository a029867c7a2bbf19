"""Write eval/REPORT.md from eval/results/: python eval/report.py write | check | html.

Every number in it comes from a result file, titles and sentences from suites.yaml; `check` fails where it is older
than these. `html` builds eval/html/, the same text and a page with figures for each report; it is not committed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from eval.common import read_result
from llmrec.evaluation import Report, ResponseReport

HERE = Path(__file__).resolve().parent
RESULTS, MARKDOWN, PAGES = HERE / "results", HERE / "REPORT.md", HERE / "html"
INTRO = """# Results

Written by `eval/report.py` from `eval/results/`; do not edit. `python eval/run.py --suite NAME` makes what is
missing of a suite of `eval/suites.yaml`, and the command below a table repeats that table alone. What was tried on
the way, also what did not work, stands in the [lab log](LOG.md).

How to read the tables:

- **0.116 [0.100, 0.132]** is a mean over users and its 95 % interval, by bootstrap over users; p is of a paired
  permutation test over users, corrected for the number of comparisons where it says Holm.
- **NDCG@10, Recall@10, MRR@10**: each model recommends ten items of the whole catalog to a user whose next item is
  held out. Recall says how often it is among the ten, NDCG and MRR also how high; 1 is best.
- **Coverage**: the share of the catalog that anybody is recommended. **Novelty**: bits, 1 more each time half as
  many users know an item. **Diversity**: 1 if no two items of a list share a genre. **Popularity**: the share of
  users who know a recommended item; its lift, how much more that is than for what they chose. **Miscalibration**:
  the distance between the genres of a list and those of the user's history, 0 for the same mixture.
- **ROC AUC**, PR AUC, F1, accuracy: 1 is best. **Log loss**, calibration error, **MAE**, **RMSE**: 0 is best.
- **Right answers**: what was sent back, disliked or rated 1 of 5 is none by default. On MovieLens every rating
  counts, as in published results (`positive: all`); what that makes of the answers is said with each table, and
  below for all data sets together.
- A column "× pandas" says how many times as fast as pandas, or as much of what its table is about.
- Times and memory are of the machine named below the table, with other work running on it unless said otherwise;
  – means that it was not measured.
"""
BEYOND = ("coverage", "novelty", "diversity", "popularity", "popularity_lift", "miscalibration")
WORDS: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"\b(ndcg|mrr|map|bleu|llm|cpu)\b": lambda match: match[0].upper(),
    r"\b(recall|precision)@": lambda match: match[0].capitalize(),
    r"\brouge l\b": "ROUGE-L",
    r"\bminilm\b": "MiniLM",
    r"\bp value\b": "p",
    r"^times (?=.)": "× ",
    r" per second$": "/s",
    r" seconds$": " (s)",
    r" ms$": " (ms)",
    r" gib$": " (GiB)",
}


@dataclass(frozen=True)
class Section:
    """The results of one title, in the order of suites.yaml; ``commands`` make them."""

    title: str
    measured: str
    commands: tuple[str, ...]
    paths: tuple[Path, ...]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the files hold."""
        return [read_result(path) for path in self.paths]


def sections() -> list[Section]:
    """Return what REPORT.md shows: every title of suites.yaml that has a result."""
    suites = yaml.safe_load((HERE / "suites.yaml").read_text(encoding="utf-8"))
    steps = [step for suite in suites.values() for step in suite if (RESULTS / step["result"]).is_file()]
    titles = dict.fromkeys(step["title"] for step in steps if "title" in step)
    return [_section(title, [step for step in steps if step.get("title") == title]) for title in titles]


def _section(title: str, steps: Sequence[Mapping[str, Any]]) -> Section:
    lines = [
        line.format(python="python", llmrec="llmrec", peers="") for step in steps for line in step["commands"]
    ]
    measured = next(step["measured"] for step in steps if "measured" in step)
    paths = tuple(RESULTS / step["result"] for step in steps)
    return Section(title, measured, tuple(dict.fromkeys(" ".join(line.split()) for line in lines)), paths)


def markdown() -> str:
    """Return REPORT.md."""
    shown = sections()
    contents = "\n".join(f"- [{section.title}](#{_anchor(section.title)})" for section in shown)
    return f"{INTRO}\n{contents}\n" + "".join(f"\n## {section.title}\n\n{body(section)}" for section in shown)


def body(section: Section, root: Path = HERE) -> str:
    """Write a section: what was measured, its tables, and what made them. Links are relative to ``root``."""
    results = section.results
    parts = [section.measured, *_settings(results)]
    for values in results:
        if "report" in values:
            parts += _report(Report.from_dict(values["report"]))
        if "responses" in values:
            parts += _responses(ResponseReport.from_dict(values["responses"]))
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for table in (table for values in results for table in values["sections"]):
        rows.setdefault(table["title"], []).extend(table["rows"])
    for title, table in rows.items():
        parts += [f"**{title}**"] * (len(rows) > 1) + [table_of(table)]
    parts += [*_provenance(results, section.paths, root), "\n".join(f"    {line}" for line in section.commands)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _settings(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    settings = {name: value for values in results for name, value in values["settings"].items()}
    if settings:
        yield "; ".join(f"{header(name)}: {cell(value)}" for name, value in settings.items()) + "."


def _report(report: Report) -> Iterator[str]:
    context = report.context
    yield (
        f"{context.data}, {context.fold} fold of {context.split} (`{context.split_hash[:12]}`): "
        f"{context.users:,} users, {context.items:,} items."
    )
    yield from _negative_answers(report)
    yield report.to_markdown()
    if any(result.beyond for result in report.results):
        yield table_of(report.table.select("model", *BEYOND).to_dicts())
    yield from _seeds(report)
    yield "\n".join(f"- {line}" for line in (*report.verdicts, *report.notes))


def _negative_answers(report: Report) -> Iterator[str]:
    """Say of a report of before that was settled how many of its answers are no positive targets by default.

    The notes of later ones say it themselves.
    """
    context, path = report.context, RESULTS / "negative-answers.json"
    if context.positive is not None or context.fold != "test" or not path.is_file():
        return
    for row in read_result(path)["sections"][0]["rows"]:
        if (row["data"], row["split"]) == (context.data, context.split) and row["negatives_before"]:
            yield (
                f"Every event counts as a right answer here: {row['negatives_before']:,} of "
                f"{row['answers_before']:,} test answers are no positive targets by default "
                f"({row['no_positive_targets']} of all events)."
            )


def _seeds(report: Report) -> Iterator[str]:
    if report.seeds:
        rows = [
            {"recipe": one.recipe, "seeds": list(one.seeds), **one.model_dump()["over_users"]}
            for one in report.seeds
        ]
        yield "**Mean over seeds**"
        yield table_of(rows)
    if report.seeds_compared:
        yield "**Paired tests of the means over seeds**, p by Holm"
        names = ("model", "against", "metric", "difference", "ratio")
        yield table_of(
            [
                {**{name: one.model_dump()[name] for name in names}, "p_value": one.p_adjusted}
                for one in report.seeds_compared
            ]
        )


def _responses(report: ResponseReport) -> Iterator[str]:
    yield f"{report.data}, cut by {report.split}: {report.events:,} events of {report.users:,} users."
    yield report.to_markdown()


def _provenance(results: Sequence[Mapping[str, Any]], paths: Sequence[Path], root: Path) -> Iterator[str]:
    """Say where, when and with what; the same sentence once."""
    said: dict[str, list[str]] = {}
    for values, path in zip(results, paths, strict=True):
        machine, versions = values["machine"] or {}, values["versions"] or {}
        where = f"on {machine['cpus']} × {machine['processor']}" if machine else "on a machine not recorded"
        where += f" with one {machine['gpu']}" if "gpu" in machine else ""
        names = ", ".join(f"{name} {versions[name]}" for name in ("llmrec", "torch") if name in versions)
        link = f"[{path.name}]({path.relative_to(root).as_posix()})"
        said.setdefault(f"{values['date']}, {where}{', with ' * bool(names)}{names}", []).append(link)
    yield "\n".join(f"Measured {sentence}. Numbers: {', '.join(links)}." for sentence, links in said.items())
    yield "Repeat with:"


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as a Markdown table; a column for each name that has a value in a row."""
    names = list(dict.fromkeys(name for row in rows for name, value in row.items() if value is not None))
    texts = {name for name in names if any(_is_text(row.get(name)) for row in rows)}
    lines = [[header(name) for name in names], ["---" if name in texts else "---:" for name in names]]
    lines += [[cell(row.get(name)) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(part.replace('|', '/') for part in line)} |" for line in lines)


def header(name: str) -> str:
    """Name a column for readers: ``peak_memory_gib`` is ``peak memory (GiB)``."""
    shown = name.replace("_", " ")
    for pattern, written in WORDS.items():
        shown = re.sub(pattern, written, shown)
    return shown


def cell(value: Any) -> str:
    """Write a value as a reader would: – for none, ``0.116 [0.100, 0.132]`` for an interval."""
    match value:
        case None | [] | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case {"mean": mean, "low": low, "high": high}:
            digits = _digits(mean)
            return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
        case list():
            return ", ".join(cell(one) for one in value)
        case float():
            return f"{value:,.{_digits(value)}f}" if abs(value) >= 1e-4 or not value else f"{value:.1e}"
        case int():
            return f"{value:,}"
    return f"`{value[:12]}`" if re.fullmatch("[0-9a-f]{64}", str(value)) else str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and any(isinstance(one, str) for one in value))


def _digits(value: float) -> int:
    """Digits after the point, so that three or four say something."""
    size = abs(value)
    return 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.1 or not size else 4


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def reports() -> dict[str, Report | ResponseReport]:
    """Return the reports that have a page of their own, by the name of their result."""
    results = [values for section in sections() for values in section.results]
    ranked = {values["name"]: Report.from_dict(values["report"]) for values in results if "report" in values}
    predicted = {v["name"]: ResponseReport.from_dict(v["responses"]) for v in results if "responses" in v}
    return {**ranked, **predicted}


def index(names: Collection[str]) -> str:
    """Return the page of all results: REPORT.md, linked to the pages of the reports ``names``."""

    def link(match: re.Match[str]) -> str:
        return f"({match[2]}.html)" if match[2] in names else f"(../{match[1]})"

    text = re.sub(r"\((results/(?:\w+/)?([^)/]*)\.json)\)", link, markdown())
    style = "body{font:16px system-ui;max-width:1100px;margin:2rem auto;padding:0 1rem}td,th{padding:.2rem .6rem}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Results</title><style>{style}</style>'
    return f"{head}\n{MarkdownIt().enable('table').render(text)}</html>\n"


def main(words: list[str]) -> int:
    """Write REPORT.md or the pages, or say whether REPORT.md is fresh."""
    match words:
        case ["check"]:
            return 0 if MARKDOWN.read_text(encoding="utf-8") == markdown() else 1
        case ["write"]:
            MARKDOWN.write_text(markdown(), encoding="utf-8")
        case ["html"]:
            PAGES.mkdir(exist_ok=True)
            for name, drawn in reports().items():
                (PAGES / f"{name}.html").write_text(drawn.to_html(), encoding="utf-8")
            (PAGES / "index.html").write_text(index(reports()), encoding="utf-8")
            print(f"written: {PAGES / 'index.html'}")
        case ["-h" | "--help"]:
            print(__doc__)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
