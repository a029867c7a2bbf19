"""Have people compare two sets of reasons without knowing which is which, and read what they answered.

python eval/experiments/blind_pairs.py form A.csv B.csv FORM.html [--pairs 30] [--seed 0]
python eval/experiments/blind_pairs.py read FORM.key.json ANSWERS.json [ANSWERS.json ...]
A and B: tables (.csv, .parquet, .jsonl, .json) with item_id and sentence or reason, and user_id where there are
several; what `llmrec batch explain RUN` or `llmrec recommend RUN --user 1 --explain --json` writes. Pairs are of
the same user and item, drawn and put left or right by the seed; equal texts are left out. FORM.html goes to who is
to compare, and downloads the answers; FORM.key.json stays here. Prints how often A is preferred, ties as half,
with an interval over pairs.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec.data.readers.read import read_raw
from llmrec.errors import DataError
from llmrec.evaluation.significance import bootstrap
from llmrec.pages.frame import environment

HERE = Path(__file__).parent
TEXTS = ("sentence", "reason")
ANSWERS = ("left", "right", "equal")


@dataclass(frozen=True)
class Pair:
    """Two reasons for one item. ``a_is_left``: on which side that of the first table stands."""

    item: str
    a: str
    b: str
    a_is_left: bool

    @property
    def sides(self) -> tuple[str, str]:
        """The texts as they stand, left and right."""
        return (self.a, self.b) if self.a_is_left else (self.b, self.a)


def read_reasons(path: Path) -> pl.DataFrame:
    """Read ``user_id, item_id, text, title`` of a table of reasons. Raises DataError without item_id or a text."""
    if path.suffix == ".json":
        table = pl.DataFrame(json.loads(path.read_text(encoding="utf-8")))
    else:
        table = read_raw(path)
    text = next((name for name in TEXTS if name in table.columns), None)
    if text is None or "item_id" not in table.columns:
        raise DataError(f"{path}: no item_id, or neither {' nor '.join(TEXTS)}, among {', '.join(table.columns)}")
    user = pl.col("user_id").cast(pl.String) if "user_id" in table.columns else pl.lit("")
    title = pl.col("title").cast(pl.String) if "title" in table.columns else pl.lit("")
    return table.select(
        user.alias("user_id"), pl.col("item_id").cast(pl.String), pl.col(text).alias("text"), title.alias("title")
    )


def drawn(a: pl.DataFrame, b: pl.DataFrame, n_pairs: int, seed: int) -> list[Pair]:
    """Draw pairs of the same user and item with different texts. Raises DataError where there is none."""
    both = a.join(b.drop("title"), on=["user_id", "item_id"], suffix="_b").unique(["user_id", "item_id"])
    both = both.filter(pl.col("text") != pl.col("text_b")).sort("user_id", "item_id")
    if both.is_empty():
        raise DataError("the two tables have no user and item in common for which they say different things")
    rng = np.random.default_rng(seed)
    rows = rng.permutation(both.height)[:n_pairs]
    lefts = rng.permutation(np.arange(len(rows)) % 2 == 0)  # half of them, so that a habit of one side cancels out
    texts = both.select("title", "text", "text_b").rows()
    return [
        Pair(item, said_a, said_b, bool(left))
        for (item, said_a, said_b), left in zip([texts[row] for row in rows], lefts, strict=True)
    ]


def form_id(pairs: Sequence[Pair]) -> str:
    """Return what tells a form from another: of the texts as they stand."""
    return hashlib.sha256(json.dumps([pair.sides for pair in pairs]).encode()).hexdigest()[:16]


def write_form(pairs: Sequence[Pair], path: Path) -> Path:
    """Write the page and, beside it, the key that says which side is which; return the key's path."""
    script = (HERE / "blind_pairs.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment(HERE).get_template("blind_pairs.html.j2")
    page = template.render(pairs=pairs, form=form_id(pairs), script=script, digest=digest)
    path.write_text(page, encoding="utf-8")
    key = path.with_suffix(".key.json")
    key.write_text(json.dumps({"form": form_id(pairs), "a_is_left": [pair.a_is_left for pair in pairs]}))
    return key


def preferences(key: dict[str, Any], answers: Sequence[tuple[str, dict[str, Any]]]) -> np.ndarray[Any, Any]:
    """Return for each pair how far A is preferred, float64 [n], from 0 to 1, NaN where nobody answered.

    ``answers``: each with its name. Raises DataError for those of another form and for what is no answer.
    """
    sides = key["a_is_left"]
    scores: list[list[float]] = [[] for _ in sides]
    for name, one in answers:
        if one.get("form") != key["form"]:
            raise DataError(f"{name}: these answers are to another form than the key's")
        for pair, answer in one["answers"].items():
            if answer not in ANSWERS or not pair.isdigit() or int(pair) >= len(sides):
                raise DataError(f"{name}: pair {pair}: '{answer}' is no answer to one of {len(sides)} pairs")
            prefers_a = 0.5 if answer == "equal" else float((answer == "left") == sides[int(pair)])
            scores[int(pair)].append(prefers_a)
    return np.array([np.mean(some) if some else np.nan for some in scores])


def main() -> None:
    """Write a form, or read answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    form = commands.add_parser("form")
    for name in ("a", "b", "out"):
        form.add_argument(name, type=Path)
    form.add_argument("--pairs", type=int, default=30)
    form.add_argument("--seed", type=int, default=0)
    read = commands.add_parser("read")
    read.add_argument("key", type=Path)
    read.add_argument("answers", type=Path, nargs="+")
    args = parser.parse_args()
    try:
        if args.command == "form":
            pairs = drawn(read_reasons(args.a), read_reasons(args.b), args.pairs, args.seed)
            print(f"{len(pairs)} pairs: {args.out}; the key stays here: {write_form(pairs, args.out)}")
            return
        key = json.loads(args.key.read_text(encoding="utf-8"))
        given = [(path.name, json.loads(path.read_text(encoding="utf-8"))) for path in args.answers]
        answered = preferences(key, given)
    except DataError as error:
        parser.error(str(error))
    scores = answered[~np.isnan(answered)]
    if not len(scores):
        parser.error("no pair is answered")
    print(f"A is preferred {bootstrap(scores)} over {len(scores)} pairs by {len(given)} readers; 0.5: neither")


if __name__ == "__main__":
    main()
