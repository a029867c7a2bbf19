"""What diverse lists of a run cost in accuracy: unlike each other, or as mixed as the history by a column.

python eval/experiments/diversity.py RUN [--data DIR] [--column genres] [--unlike 0.3 ...] [--mixed 0.3 ...]
The run is judged beside itself with each weight, on its split. Writes diversity-DATA.json.
"""

from __future__ import annotations

from pathlib import Path

from eval.common import arguments, open_data, write_result
from llmrec import Calibration, evaluate, load
from llmrec.models import Diversified, Ranker
from llmrec.models.runs import run_split


def main() -> None:
    """Load, make lists diverse, judge, write."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("run", type=Path)
    parser.add_argument("--column", default="genres", help="by which lists are mixed (genres)")
    parser.add_argument("--unlike", type=float, nargs="*", default=[0.1, 0.3, 0.5], help="weights of unlikeness")
    parser.add_argument("--mixed", type=float, nargs="*", default=[0.1, 0.3, 0.5, 0.9], help="weights of the mix")
    args = parser.parse_args()
    model, name = load(args.run), args.run.name
    models: dict[str, Ranker] = {name: model}
    models |= {f"{name}, unlike {weight:g}": Diversified(model, weight) for weight in args.unlike}
    models |= {
        f"{name}, mixed {weight:g}": Diversified(model, Calibration(args.column, weight)) for weight in args.mixed
    }
    data = open_data(args.data)
    report = evaluate(models, run_split({str(args.run): model}, data))
    print(report.to_markdown())
    write_result(args.out / f"diversity-{data.name}.json", settings={"column": args.column}, report=report)


if __name__ == "__main__":
    main()
