"""Write the parts of README.md and of docs/ that are results: what API lines print, and tables.

python eval/readme.py api runs/quickstart       run the README's Python block, with its LLM in place of the fit
python eval/readme.py table runs/quickstart     take a finished quickstart's report
python eval/readme.py write                     write all parts anew from eval/results/
python eval/readme.py check                     fail if a page differs from eval/results/, and name it
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.common import RESULTS, ROOT, open_data, read_result, write_result
from llmrec.evaluation import Report

README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
FILES = {"output": "readme_api.json", "table": "quickstart.json"}
SOURCES = {name: RESULTS / file for name, file in FILES.items()}
# Whose members README's table shows, and its columns.
LOGS = {
    "ml-100k": "MovieLens 100K",
    "ml-1m": "MovieLens 1M",
    "amazon-games-0.2": "a fifth of amazon-games",
    "amazon-games": "amazon-games",
}
STACKED, TRAINED = RESULTS / "stacked-ml-100k.json", RESULTS / "trained-ml-100k.json"
PEERS = RESULTS / "peers"
PRINTED = "What the Python lines of README print"
# What does not depend on how busy the machine is; all of a report stands in docs/quickstart.md.
SCORES = "report.table.select('model', 'ndcg@10', 'ndcg@10_low', 'ndcg@10_high')"
SHOWN = ("data", "recs.head(3)", "alike", "why['sentence'][0]", SCORES)


def main(words: list[str]) -> int:
    """Run one of the four commands; returns the exit code."""
    match words:
        case ["api", run]:
            printed = api(Path(run).resolve() / "llm")
            write_result(RESULTS / "readme_api.json", {PRINTED: printed})
        case ["table", run]:
            report = Report.load(run).with_showcase([])  # no one's history belongs into the repository
            write_result(RESULTS / "quickstart.json", report=report)
        case ["write"]:
            pass
        case ["check"]:
            old = [str(page.relative_to(ROOT)) for page in PAGES if page.read_text() != filled(page.read_text())]
            if old:
                print(f"{', '.join(old)}: not as eval/results/ says; python eval/readme.py write")
            return 1 if old else 0
        case ["-h" | "--help"]:
            print(__doc__)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    for page in PAGES:
        page.write_text(filled(page.read_text()))
    return 0


def api(run: Path) -> list[dict[str, str]]:
    """Run the README's Python block in a folder with events.csv and items.csv; return what it left.

    The fit takes minutes and gives what a finished quickstart holds: its model is loaded instead. As there, every
    rating is a right answer.
    """
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    load = f"model = llmrec.load({str(run)!r})"
    lines, fits = re.subn(r"^model  = .*$", load, block.group(1), flags=re.MULTILINE)
    assert fits == 1
    lines = lines.replace('Dataset.from_csv("events.csv", ', 'Dataset.from_csv("events.csv", positive="all", ')
    data = open_data("ml-100k")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        data.events.write_csv("events.csv")
        data.catalog.table.write_csv("items.csv")
        names: dict[str, object] = {}
        exec(lines, names)
        printed = [{"expression": name, "printed": str(eval(name, names))} for name in SHOWN]
        os.chdir(ROOT)
    return printed


def filled(text: str) -> str:
    """Return a page with its generated parts made from the result files."""
    parts: dict[str, Callable[[dict[str, Any]], str]] = {
        "output": _output,
        "table": lambda values: _compared(Report.from_dict(values["report"])),
    }
    for name, write in parts.items():
        if SOURCES[name].is_file():
            text = _between(text, name, write(read_result(SOURCES[name])))
    for name, written in {"results": _results, "peers": _compared_peers}.items():
        if f"<!-- {name}: " in text:
            text = _between(text, name, written())
    return text


def _output(values: dict[str, Any]) -> str:
    """The Python session, as a terminal shows it."""
    rows = values["sections"][0]["rows"]
    lines = "\n".join(f">>> {row['expression']}\n{row['printed']}" for row in rows)
    return f"```text\n{lines}\n```\n"


def _compared(report: Report) -> str:
    """The report's table, and the p of each model's difference to the first in NDCG@10."""
    p = {one.against: f"{one.p_adjusted:.2g}" for one in report.compared if one.metric == "ndcg@10"}
    cells = ["p", "---:", *(p.get(one.model, "") for one in report.results)]
    lines = report.to_markdown().splitlines()
    return "".join(f"{line} {cell} |\n" for line, cell in zip(lines, cells, strict=True))


def _results() -> str:
    """The README's table: NDCG@10 of what is comparable on several logs, with intervals over users."""
    without = "without smollm2-135m-soft"
    members = {
        "popularity": "popularity",
        "item-knn: who met both, by cosine": "item-knn",
        "GRU over ids": "gru",
        "the LLM alone": "smollm2-135m-soft",
        "text-graph: what reads like the history, or stood next to it": "text-graph",
        "GRU over texts by MiniLM: `gru-text`": "gru-text",
        "rules weighed together, text-graph among them": f"{without}, gru, gru-text",
        "both GRUs + rules: `gru-text-rules`": without,
        "**LLM + both GRUs + rules: `auto`**": "auto",
    }
    scores = [_scores(RESULTS / f"ablation-{log}.json") for log in LOGS]
    rows = [[name, *(of[member] for of in scores)] for name, member in members.items()]
    # On amazon-games over the newest 20 items.
    peers = {path.stem.removesuffix("-short"): _peer(path) for path in PEERS.glob("*.json")}
    rows[2:2] = [
        [f"SASRec of {library}", *(peers.get(f"{log}-{name}", "–") for log in LOGS)]
        for library, name in (("RecTools", "rectools-sasrec"), ("RecBole", "recbole-sasrec"))
    ]
    head = f"| {' | '.join(['NDCG@10', *LOGS.values()])} |\n| --- |{' ---: |' * len(LOGS)}\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _compared_peers() -> str:
    """Ours and those of other libraries on MovieLens 100K, in order of NDCG@10."""
    films = _scores(TRAINED) | _scores(STACKED)
    ours = {f"llmrec {name}": films[name] for name in ("sasrec", "bert4rec", "gru", "rules", "gru + rules")}
    theirs = {path.stem.removeprefix("ml-100k-"): _peer(path) for path in PEERS.glob("ml-100k-*.json")}
    rows = sorted((ours | theirs).items(), key=lambda row: row[1], reverse=True)
    head = "| NDCG@10 | MovieLens 100K |\n| --- | ---: |\n"
    return head + "".join(f"| {name} | {value} |\n" for name, value in rows)


def _scores(path: Path) -> dict[str, str]:
    report = Report.from_dict(read_result(path)["report"])
    return {one.model: _interval(one.metrics["ndcg@10"].model_dump()) for one in report.results}


def _peer(path: Path) -> str:
    return _interval(read_result(path)["sections"][0]["rows"][0]["ndcg@10"])


def _interval(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _between(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)"
    return re.sub(pattern, lambda match: match[1] + content + match[2], text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
