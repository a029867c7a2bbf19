"""What a GPU makes of llmrec, in about ten minutes, the most valuable part first.

python eval/benchmarks/gpu_check.py [--minutes M] [--parts NAME ...] [--ml-1m FOLDER] [--tiny]. Each part writes
gpu_check-PART.json at once; parts that are there are not run again, and a part that fails leaves its traceback in
gpu_check-PART.log while the others go on. Without a GPU it refuses, except with --tiny: seconds, on toy films.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback

import torch

from eval.benchmarks import gpu_parts
from eval.benchmarks.gpu_parts import Settings
from eval.common import arguments, write_result


def settings_of(args: argparse.Namespace) -> Settings:
    """Return what the parts take: full sizes, or tiny ones on toy data."""
    if not args.tiny:
        return Settings(base=args.base, ml_1m=args.ml_1m)
    return Settings.tiny(args.base)


def run_part(name: str, args: argparse.Namespace) -> bool:
    """Run a part and write its result, or its traceback. Says whether it succeeded."""
    began = time.monotonic()
    try:
        part = gpu_parts.PARTS[name](settings_of(args))
        path = args.out / f"gpu_check-{name}.json"
        write_result(path, part.sections, settings={"base": args.base}, report=part.report)
    except Exception:  # whatever it is, the parts after it are worth their minutes
        (args.out / f"gpu_check-{name}.log").write_text(traceback.format_exc(), encoding="utf-8")
    done: bool = (args.out / f"gpu_check-{name}.json").exists()
    print(f"{name}: {'done' if done else 'failed'} in {time.monotonic() - began:.0f} s", flush=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return done


def main() -> None:
    """Run the parts in turn."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="no part is started after so long")
    parser.add_argument("--parts", nargs="*", choices=list(gpu_parts.PARTS), default=list(gpu_parts.PARTS))
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--ml-1m", default="data/ml-1m", metavar="FOLDER", help="MovieLens 1M, prepared")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    if not (args.tiny or torch.cuda.is_available()):
        parser.error("no GPU is visible to PyTorch (torch.cuda.is_available() is False); --tiny runs on a CPU")
    args.out.mkdir(parents=True, exist_ok=True)
    ends, missing = time.monotonic() + 60 * args.minutes, []
    for name in args.parts:
        if (args.out / f"gpu_check-{name}.json").exists():
            continue
        if time.monotonic() > ends or not run_part(name, args):
            missing.append(name)
    if missing:
        sys.exit(f"not measured: {', '.join(missing)}; see gpu_check-NAME.log in {args.out}")


if __name__ == "__main__":
    main()
