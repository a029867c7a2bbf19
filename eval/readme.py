"""Write the parts of README.md that are results: what its API lines print, the quickstart's table, the fusions'.

python eval/readme.py api runs/quickstart       run the README's Python block, with its LLM in place of the fit
python eval/readme.py table runs/quickstart     take a finished quickstart's report
python eval/readme.py write                     write all parts anew from eval/results/
python eval/readme.py check                     fail if README.md differs from eval/results/
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path

from llmrec.data.builtin import fetch
from llmrec.evaluation import Report

ROOT = Path(__file__).resolve().parent.parent
README, RESULTS = ROOT / "README.md", ROOT / "eval" / "results"
SHOWN = ("data", "recs.head(3)", "alike", "why['sentence'][0]", "report")


def main(words: list[str]) -> int:
    """Run one of the four commands; returns the exit code."""
    RESULTS.mkdir(exist_ok=True)
    match words:
        case ["api", run]:
            shown = json.dumps(api(Path(run).resolve() / "llm"), indent=2, ensure_ascii=False)
            (RESULTS / "readme_api.json").write_text(shown + "\n")
        case ["table", run]:
            report = Report.load(run).with_showcase([])  # no one's history belongs into the repository
            text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
            (RESULTS / "quickstart.json").write_text(text + "\n")
        case ["write"]:
            pass
        case ["check"]:
            return 0 if README.read_text() == filled(README.read_text()) else 1
        case _:
            print(__doc__)
            return 2
    README.write_text(filled(README.read_text()))
    return 0


def api(run: Path) -> list[list[str]]:
    """Run the README's Python block in a folder with events.csv and items.csv; return what it left.

    The fit takes minutes and gives what a finished quickstart holds: its model is loaded instead.
    """
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    load = f"model = llmrec.load({str(run)!r})"
    lines, fits = re.subn(r"^model  = .*$", load, block.group(1), flags=re.MULTILINE)
    assert fits == 1
    data = fetch("ml-100k")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        data.events.write_csv("events.csv")
        data.catalog.table.write_csv("items.csv")
        names: dict[str, object] = {}
        exec(lines, names)
        shown = [[name, str(eval(name, names))] for name in SHOWN]
        os.chdir(ROOT)
    return shown


def filled(text: str) -> str:
    """Return the README with its generated parts made from the result files."""
    outputs, table = RESULTS / "readme_api.json", RESULTS / "quickstart.json"
    if outputs.is_file():
        told = "\n".join(f">>> {name}\n{value}" for name, value in json.loads(outputs.read_text()))
        text = _between(text, "output", f"```text\n{told}\n```\n")
    text = _between(text, "table", Report.load(table).to_markdown()) if table.is_file() else text
    fused = RESULTS / "fused-ml-100k.json"
    return _between(text, "fused", _fused(Report.load(fused))) if fused.is_file() else text


def _fused(report: Report) -> str:
    """Two metrics of each model, and whether the first one's NDCG is distinguishable from it."""
    p = {one.against: f"{one.p_adjusted:.2g}" for one in report.compared if one.metric == "ndcg@10"}
    rows = [
        f"| {one.model} | {one.metrics['ndcg@10']} | {one.metrics['recall@10']} | {p.get(one.model, '')} |"
        for one in report.results
    ]
    return "\n".join(["| model | NDCG@10 | Recall@10 | p |", "| --- | ---: | ---: | ---: |", *rows]) + "\n"


def _between(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)"
    return re.sub(pattern, lambda found: found.group(1) + content + found.group(2), text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
