"""Train a recipe in processes: `accelerate launch --num_processes N finetune/train.py RECIPE DATA OUT`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings

import llmrec
from llmrec.errors import InputError, LlmrecError
from llmrec.printable import printable
from llmrec.training import distributed


def main() -> int:
    """Parse, call one function. Returns the exit code: 2 for bad input, 1 for what else went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="a shipped recipe's name or a .yaml file")
    parser.add_argument("data", help="a folder made by `llmrec data prepare`, or a built-in name")
    parser.add_argument("out", help="the run directory to write; with several machines on a disk that all see")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--split", default="leave-last-out", help="as for `llmrec fit`")
    parser.add_argument("--resume", action="store_true", help="on any number of processes")
    args = parser.parse_args()
    _silence()
    try:
        data = llmrec.Dataset.load(args.data)
        recipe = llmrec.Recipe.load(args.recipe, set=args.set)
        llmrec.fit(recipe, data, llmrec.Split.open(args.split, data), args.out, resume=args.resume)
    except LlmrecError as error:
        if distributed.is_first():
            print(f"error: {printable(str(error))}", file=sys.stderr)
        elif not isinstance(error, InputError | distributed.FirstRankError):  # which the first one says
            print(f"error in process {distributed.rank()}: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    finally:
        distributed.stop()
    return 0


def _silence() -> None:
    """Leave out what libraries warn of, nothing to act on, and what all but the first process would say."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.simplefilter("ignore")
    for library in ("transformers", "bitsandbytes"):
        logging.getLogger(library).setLevel(logging.ERROR)
    if not distributed.is_first():
        logging.disable(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
