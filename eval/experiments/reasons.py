"""Explain recommendations of a trained run and judge the reasons.

python eval/experiments/reasons.py RUN [--recs 1000] [--base smollm2-135m] [--out eval/results/reasons.json]
[--shown FILE]
Users are drawn with a fixed seed; each gets a reason for the first two items. --shown gets fifty random sentences.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np

import llmrec
from llmrec.evaluation import deletion_test, judge_reasons
from llmrec.evaluation.reasons.faithfulness import as_json
from llmrec.reasons import LocalNarrator, counts
from llmrec.runtime import machine, versions

EACH = 2


class Timed(LocalNarrator):
    """A narrator that notes how long it took and how many tokens it wrote."""

    seconds, tokens = 0.0, 0

    def narrate(self, tasks):  # type: ignore[no-untyped-def]
        """Write as LocalNarrator does."""
        began = time.perf_counter()
        written = super().narrate(tasks)
        self.seconds += time.perf_counter() - began
        self.tokens += sum(len(ids) for ids in self.chat.loaded[1](written)["input_ids"]) if written else 0
        return written


def main() -> None:
    """Recommend, explain, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--recs", type=int, default=1000)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--out", type=Path, default=Path("eval/results/reasons.json"))
    parser.add_argument("--shown", type=Path, default=Path("reasons_shown.txt"))
    options = parser.parse_args()
    model, rng = llmrec.load(options.run), np.random.default_rng(0)
    n = min(len(model.histories), -(-options.recs // EACH))
    histories = model.histories.take(np.sort(rng.choice(len(model.histories), n, replace=False)))
    recs = model.recommend(histories, EACH).head(options.recs)
    narrator = Timed(options.base)
    began = time.perf_counter()
    why = llmrec.explain(model, recs, histories, narrator=narrator)
    seconds = time.perf_counter() - began
    tested = deletion_test(model, why, histories)
    faults = Counter(fault.split("'")[0].strip() for one in why for fault in one.faults)
    result = {
        "run": options.run.name,
        "recs": len(why),
        "judged": as_json(judge_reasons(model, why, histories)),
        "counts": counts(why),
        "passed_at_second_try": sum(one.backend != "template" and not one.first_try for one in why),
        "deletion_cases": tested.height,
        "deletion_mean_gap_over_zero": float((tested["deletion_gap"] > 0).mean() or 0.0),
        "sentences_per_second": len(why) / seconds,
        "llm_tokens_per_second": narrator.tokens / narrator.seconds,
        "faults": dict(faults.most_common(12)),
        "machine": machine(),
        "versions": versions(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    shown = why.table.sample(min(50, len(why)), seed=0)
    lines = [
        f"{'' if row['backend'] == 'llm' else '(template) '}{row['sentence']}"
        for row in shown.iter_rows(named=True)
    ]
    options.shown.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
