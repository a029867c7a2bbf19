"""Count the test answers that are no positive targets by default.

python eval/experiments/negative_answers.py DATA ...: built-in names, or folders with interactions.csv.gz and
items.csv.gz; each is cut as the results here are. Writes negative-answers.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.common import arguments, write_result
from llmrec import Dataset, Split
from llmrec.data import BUILTIN
from llmrec.errors import DataError


def read(source: str) -> Dataset:
    """Fetch a built-in data set, or read the files of a folder."""
    if source in BUILTIN:
        return Dataset.fetch(source)
    items = Path(source) / "items.csv.gz"
    return Dataset.from_files(
        Path(source) / "interactions.csv.gz",
        items=items if items.exists() else None,
        name=Path(source).name,
        drop_unknown_items=items.exists(),
    )


def rows_of(data: Dataset) -> list[dict[str, Any]]:
    """A row for each split: the answers if every event counts, those that are none by default, those left."""
    rows = []
    for name in ("leave-last-out", "global-time"):
        try:
            split = Split.by_name(name, data)
        except DataError:  # a log that only has an order
            continue
        before = split.if_all or (split.test_answers.height, 0)
        rows.append(
            {
                "data": data.name,
                "split": name,
                "no_positive_targets": data.positive.reasons or "none",
                "answers_before": before[0],
                "negatives_before": before[1],
                "answers_now": split.test_answers.height,
            }
        )
    return rows


def main() -> None:
    """Read, split, count, write."""
    parser = arguments(__doc__)
    parser.add_argument("data", nargs="+")
    args = parser.parse_args()
    rows = [row for source in args.data for row in rows_of(read(source))]
    write_result(args.out / "negative-answers.json", {"Test answers that are no positive targets": rows})


if __name__ == "__main__":
    main()
