"""Ask an untuned LLM by prompt to choose among twenty candidates, beside models that learned: the zero-shot way.

python eval/experiments/zero_shot.py [--data DIR | ml-100k] [--ways letter ...] [--recipes NAME ...]. LLMRank (Hou
et al. 2024) ranks so. All answer the same questions of candidates-20. Writes eval/results/zero-shot-DATA.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from llmrec import Dataset, Recipe, Split, evaluate
from llmrec.data import BUILTIN, fetch
from llmrec.evaluation import EvaluationProtocol
from llmrec.models import PromptRanking, Recommender
from llmrec.models.runs import fit_run


def main() -> None:
    """Fit what learns, ask all, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k")
    parser.add_argument("--ways", nargs="*", default=["letter"], choices=["letter", "title", "order"])
    parser.add_argument("--recipes", nargs="*", default=["popularity", "markov", "text"])
    asked = parser.parse_args()
    data = fetch(asked.data) if asked.data in BUILTIN else Dataset.load(asked.data)
    split = Split.leave_last_out(data)
    place = Path("runs/baselines") / data.name
    models: dict[str, Recommender] = {f"zero-shot-{mode}": PromptRanking(mode=mode) for mode in asked.ways}
    for model in models.values():
        model.fit(split.train)
    models |= {name: fit_run(Recipe.load(name), data, split, place / name, resume=True) for name in asked.recipes}
    report = evaluate(models, split, protocol=EvaluationProtocol.load("candidates-20"), progress=True)
    Console().print(report)
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False)
    Path(f"eval/results/zero-shot-{data.name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
