"""Say in the headers of an LLM's recipes what they take: python eval/recipe_costs.py write | check.

What was measured (eval/results/), with its machine, memory and time; else the estimates of eval/cost.py, or that
nothing is known. `check` fails where a header is older than these.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eval.common import RESULTS, ROOT, read_result
from eval.cost import EVENTS, GOAL, TOKENS_AN_EVENT, Rates, hours, memory_of, read_as_text, size
from llmrec.config import Recipe, names

ESTIMATED, MEASURED, UNKNOWN = "Estimated:", "Measured:", "Not measured:"
DRY_RUN = "--dry-run measures it on your machine."
USERS = 10_000
WIDTH = 115


class Source(NamedTuple):
    """Where a recipe was measured: the result's file, the model's name in it, and the data in words."""

    file: str
    model: str
    data: str


SOURCES = {
    "quickstart": Source("quickstart.json", "llm", "MovieLens 100K"),
    "smollm2-135m-soft": Source("accuracy-ml-100k.json", "smollm2-135m-soft", "MovieLens 100K"),
    "smollm2-135m-events": Source("next-item-shop.json", "smollm2-135m-events", "a shop's log"),
}


def headers() -> dict[str, str]:
    """Return what the header of every recipe of an LLM should say, by the recipe's name."""
    rates, estimates = Rates.measured(), dict(read_as_text())
    said = {}
    for name in names():
        recipe = Recipe.load(name)
        if recipe.model != "llm":
            continue
        if name in SOURCES:
            said[name] = measured(SOURCES[name])
        elif name in estimates:
            base = estimates[name]
            sizes = base.sizes()
            flops = 4 * sizes.blocks * USERS * EVENTS * TOKENS_AN_EVENT
            said[name] = estimated(sum(memory_of(recipe, base, sizes)), flops, rates)
        else:
            said[name] = f"{UNKNOWN} {DRY_RUN}"
    return said


def estimated(n_bytes: float, flops: float, rates: Rates) -> str:
    """Word the estimates of memory and of an epoch's time, at both shares of the card's peak."""
    quick, slow = (hours(60 * rates.hours(flops, share)) for share in (GOAL, rates.share))
    return (
        f"{ESTIMATED} {size(n_bytes)} of a card's memory besides what CUDA takes; an epoch over {USERS:,} users "
        f"of {EVENTS} events in {quick} to {slow} minutes of one {rates.card} (eval/COST.md). {DRY_RUN}"
    )


def measured(source: Source) -> str:
    """Word what a run took; of several seeds the middle time and the largest memory."""
    result = read_result(RESULTS / source.file)
    costs = [cost for row in _rows(result) if row.get("model") == source.model and (cost := _cost(row))]
    seconds = sorted(each for cost in costs for each in _list(cost["train_seconds"]))
    memory = max(each for cost in costs for each in _list(cost["peak_memory_gib"]))
    machine = (result.get("report") or result)["machine"]
    of_several = f" (the middle of {len(seconds)} trainings)" if len(seconds) > 1 else ""
    minutes = hours(seconds[len(seconds) // 2] / 60)
    return (
        f"{MEASURED} {source.data}, {machine['cpus']} cores of {machine['processor']}, "
        f"{minutes} minutes{of_several}, {memory:.1f} GiB (eval/results/{source.file})."
    )


def _rows(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tables = [section["rows"] for section in result["sections"]]
    return [row for table in [*tables, result.get("report", {}).get("results", [])] for row in table]


def _cost(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    cost: Mapping[str, Any] | None = row.get("cost") or (row if "train_seconds" in row else None)
    return cost


def _list(value: float | Sequence[float]) -> Sequence[float]:
    return value if isinstance(value, Sequence) else [value]


def with_header(text: str, said: str) -> str:
    """Return a recipe's text whose header ends in what is said, instead of what an earlier one said."""
    lines = text.splitlines(keepends=True)
    n = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    starts = tuple(f"# {word}" for word in (ESTIMATED, MEASURED, UNKNOWN))
    previous = next((i for i in range(n) if lines[i].startswith(starts)), n)
    wrapped = textwrap.wrap(said, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "".join([*lines[:previous], *(f"{line}\n" for line in wrapped), *lines[n:]])


def main() -> None:
    """Write the headers, or check them."""
    if sys.argv[1:] not in (["write"], ["check"]):
        raise SystemExit(__doc__)
    for name, said in headers().items():
        path = ROOT / "finetune" / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        if sys.argv[1] == "write":
            path.write_text(with_header(text, said), encoding="utf-8")
        elif text != with_header(text, said):
            raise SystemExit(f"{path.name} is older than the results: python eval/recipe_costs.py write")


if __name__ == "__main__":
    main()
