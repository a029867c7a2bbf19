"""Explain recommendations of a trained run and evaluate the reasons.

python eval/experiments/reasons.py RUN [--recs 1000] [--each 2] [--base smollm2-135m] [--name NAME] [--shown FILE]
    [--data DATA] [--relations FILE]
Users are drawn with a fixed seed; each gets a reason for the first EACH items. Fifty go to --shown.
--base none: the reasons are planned and said by skeletons, without an LLM.
--data: the prepared log of the run, for its times and prices, which a run need not hold.
--relations: triples beside the catalog that the run was not made with; see film_relations.py.
English statements are read once more, from the raw data. Writes NAME.json.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

import llmrec
from eval.common import Row, arguments, with_log, write_result
from llmrec.data.readers.relations import with_relations
from llmrec.evaluation import Interval, deletion_test, judge_reasons
from llmrec.evaluation.reasons.second_reading import second_readings
from llmrec.reasons import Explanations, LocalNarrator, NarrationRequest, counts

MEANINGS = {
    "faithful": "every claim is in the evidence",
    "without_template": "worded by the LLM, not by the template",
    "first_try": "passed the audit at once",
    "unique_ratio": "share of different sentences",
    "distinct_forms": "different forms in a hundred sentences, with names, values and numbers masked",
    "self_bleu": "BLEU against the other sentences of the list; lower is more varied",
    "tells_more": "tells a fact beyond one shared genre, or of 4 bits",
    "fact_bits": "bits of the most telling fact",
    "n_words": "words of a sentence, titles included",
    "feature_coverage": "share of the catalog's attribute values that any sentence names",
    "feature_diversity": "attribute values that two sentences have in common, on average; fewer is more diverse",
    "deletion_better": "leaving out the named items lowers the score more than as many random others",
    "deletion_gap": "by how much more, in units of the score",
    "sufficiency_better": "the named items alone keep more of the score than as many random others",
    "sufficiency_gap": "by how much more, in units of the score",
    "reading_ease": "Flesch reading ease; 60 to 70 is plain English",
}


class Timed(LocalNarrator):
    """A narrator that notes how long it took and how many tokens it wrote."""

    seconds, tokens = 0.0, 0

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Write as LocalNarrator does."""
        began = time.perf_counter()
        written = super().narrate(requests)
        self.seconds += time.perf_counter() - began
        self.tokens += sum(len(ids) for ids in self.chat.loaded[1](written)["input_ids"]) if written else 0
        return written


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--recs", type=int, default=1000)
    parser.add_argument("--each", type=int, default=2)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--name", default="reasons", help="of the result")
    parser.add_argument("--shown", type=Path, default=Path("reasons_shown.txt"))
    parser.add_argument("--data", help="a built-in name or a folder")
    parser.add_argument("--relations", type=Path)
    return parser.parse_args()


def written_out(why: Explanations) -> str:
    """Fifty random sentences, one a line."""
    rows = why.table.sample(min(50, len(why)), seed=0).iter_rows(named=True)
    lines = [f"{'(template) ' if row['faults'] else ''}{row['sentence']}" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Recommend, explain, evaluate, write."""
    args = parsed()
    model, rng = llmrec.load(args.run), np.random.default_rng(0)
    if args.data is not None:
        model.histories = with_log(model.histories, args.data)
    if args.relations is not None:
        model.catalog = with_relations(model.catalog, args.relations)
    n = min(len(model.histories), -(-args.recs // args.each))
    histories = model.histories.take(np.sort(rng.choice(len(model.histories), n, replace=False)))
    recs = model.recommend(histories, args.each).head(args.recs)
    narrator = None if args.base == "none" else Timed(args.base)
    began = time.perf_counter()
    why = llmrec.explain(model, recs, histories, narrator=narrator)
    seconds = time.perf_counter() - began
    scores = judge_reasons(model, why, histories)
    faults = Counter(fault.split("'")[0].strip() for one in why for fault in one.faults)
    second_try = sum(one.backend != "template" and not one.first_try for one in why)
    speed = {"sentences_per_second": len(why) / seconds}
    if narrator is not None:
        speed["llm_tokens_per_second"] = narrator.tokens / narrator.seconds
    values = {name: value.model_dump() if isinstance(value, Interval) else value for name, value in scores.items()}
    sections: dict[str, Sequence[Row]] = {
        "The sentences": [
            {"measure": name, "value": value, "meaning": MEANINGS[name]} for name, value in values.items()
        ],
        "Who worded them": [{**counts(why), "passed_at_second_try": second_try}],
        "Statements read again from catalog and histories, without the audit": (
            second_readings(model, why, histories)
            .group_by("kind")
            .agg(pl.len().alias("statements"), pl.col("is_right").sum().alias("right"))
            .sort("kind")
            .to_dicts()
        ),
        "What the audit found wrong": [{"fault": name, "times": n} for name, n in faults.most_common(12)],
    }
    write_result(
        args.out / f"{args.name}.json",
        {title: rows for title, rows in sections.items() if rows},
        settings={"run": args.run.name, "reasons": len(why), **speed},
        details={"deletion_cases": deletion_test(model, why, histories).height},
    )
    args.shown.write_text(written_out(why), encoding="utf-8")


if __name__ == "__main__":
    main()
