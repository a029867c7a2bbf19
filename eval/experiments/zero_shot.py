"""Prompt an untuned LLM to choose among twenty candidates, beside models that were trained.

python eval/experiments/zero_shot.py [--data DIR] [--modes letter ...] [--recipes NAME ...]. LLMRank (Hou et al.
2024) ranks so. All rank the same candidates (the protocol candidates-20). Writes zero-shot-DATA.json.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from eval.common import arguments, open_data, write_result
from llmrec import Recipe, Split, evaluate, fit
from llmrec.models import PromptRanking, Ranker


def main() -> None:
    """Fit what is trained, evaluate, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--modes", nargs="*", default=["letter"], choices=["letter", "title", "order"])
    parser.add_argument("--recipes", nargs="*", default=["popularity", "markov", "text"])
    args = parser.parse_args()
    data = open_data(args.data)
    split = Split.leave_last_out(data)
    models: dict[str, Ranker] = {
        f"zero-shot-{mode}": PromptRanking(mode=mode).fit(split.train) for mode in args.modes
    }
    runs = Path("runs/baselines") / data.name
    for name in args.recipes:
        models[name] = fit(Recipe.load(name), data, split, runs / name, resume=True)
    report = evaluate(models, split, protocol="candidates-20", progress=True)
    Console().print(report)
    write_result(args.out / f"zero-shot-{data.name}.json", report=report)


if __name__ == "__main__":
    main()
