"""Write the parts of README.md that are results: what its API lines print, and the quickstart's table.

python eval/readme.py api runs/quickstart       run the README's Python block, with its LLM in place of the fit
python eval/readme.py table runs/quickstart     take a finished quickstart's report
python eval/readme.py write                     write all parts anew from eval/results/
python eval/readme.py check                     fail if README.md differs from eval/results/
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
FILES = {"output": "readme_api.json", "table": "quickstart.json"}
SOURCES = {name: RESULTS / file for name, file in FILES.items()}
PRINTED = "What the Python lines of README print"
SHOWN = ("data", "recs.head(3)", "alike", "why['sentence'][0]", "report")


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
            return 0 if README.read_text() == filled(README.read_text()) else 1
        case ["-h" | "--help"]:
            print(__doc__)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    README.write_text(filled(README.read_text()))
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
    """Return the README with its generated parts made from the result files."""
    parts: dict[str, Callable[[dict[str, Any]], str]] = {
        "output": _output,
        "table": lambda values: _compared(Report.from_dict(values["report"])),
    }
    for name, write in parts.items():
        if SOURCES[name].is_file():
            text = _between(text, name, write(read_result(SOURCES[name])))
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


def _between(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)"
    return re.sub(pattern, lambda match: match[1] + content + match[2], text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
