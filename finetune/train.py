"""Train a recipe under `accelerate launch --num_processes 1 finetune/train.py RECIPE DATA OUT`."""

from __future__ import annotations

import argparse

import llmrec
from llmrec.data.splits import named


def main() -> None:
    """Parse, call one function."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="a shipped recipe's name or a .yaml file")
    parser.add_argument("data", help="a folder made by `llmrec data prepare`")
    parser.add_argument("out", help="the run directory to write")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--split", default="leave-last-out", help="as for `llmrec fit`")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    data = llmrec.Dataset.load(args.data)
    recipe = llmrec.Recipe.load(args.recipe, set=args.set)
    llmrec.fit(recipe, data, named.find(args.split, data), args.out, resume=args.resume)


if __name__ == "__main__":
    main()
