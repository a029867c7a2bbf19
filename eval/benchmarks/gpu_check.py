"""What a GPU makes of llmrec, in about ten minutes, the most valuable part first.

python eval/benchmarks/gpu_check.py [--minutes M] [--parts NAME ...] [--ml-1m FOLDER] [--tiny]. Each part runs in a
process of its own and writes gpu_check-PART.json at once; parts that are there are not run again, and those that
failed are tried once more while time is left. Without a GPU it refuses, except with --tiny: seconds, on toy films.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import torch

from eval.benchmarks import gpu_parts
from eval.benchmarks.gpu_parts import Settings
from eval.common import arguments, write_result

TRIES = 2


def settings_of(args: argparse.Namespace) -> Settings:
    """Return what the parts take: full sizes, or tiny ones on toy data."""
    if not args.tiny:
        return Settings(base=args.base, ml_1m=args.ml_1m)
    return Settings(
        base=args.base,
        dtype="float32",
        films="toy",
        ml_1m="toy",
        text_minutes=0.05,
        peer_minutes=0.02,
        soft_minutes=0.05,
        sasrec_epochs=1,
        lines=60,
        encode_tokens=(512,),
        peer_batches=(16,),
        train_tokens=512,
        histories=200,
        matrix=64,
        compiled=False,
    )


def run_part(name: str, args: argparse.Namespace, *, seconds: float) -> None:
    """Run a part in a child process, its output kept beside its result."""
    words = [sys.executable, "-m", "eval.benchmarks.gpu_check", "--part", name, "--out", str(args.out)]
    words += ["--base", args.base, "--ml-1m", args.ml_1m, *(["--tiny"] if args.tiny else [])]
    began = time.monotonic()
    with (args.out / f"gpu_check-{name}.log").open("a", encoding="utf-8") as log:
        try:
            done = subprocess.run(words, stdout=log, stderr=subprocess.STDOUT, timeout=max(seconds, 1))
            outcome = f"failed ({done.returncode})" if done.returncode else "done"
        except subprocess.TimeoutExpired:
            outcome = "out of time"
    print(f"{name}: {outcome} in {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Run the parts in turn, or one of them."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="no part is started after so long")
    parser.add_argument("--parts", nargs="*", choices=list(gpu_parts.PARTS), default=list(gpu_parts.PARTS))
    parser.add_argument("--part", choices=list(gpu_parts.PARTS), help="run this one in this process")
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--ml-1m", default="data/ml-1m", metavar="FOLDER", help="MovieLens 1M, prepared")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    if not (args.tiny or torch.cuda.is_available()):
        parser.error("no GPU is visible to PyTorch (torch.cuda.is_available() is False); --tiny runs on a CPU")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.part:
        part, path = gpu_parts.PARTS[args.part](settings_of(args)), args.out / f"gpu_check-{args.part}.json"
        write_result(path, part.sections, settings={"base": args.base}, report=part.report)
        return
    ends = time.monotonic() + 60 * args.minutes
    for _ in range(TRIES):
        for name in args.parts:
            left = ends - time.monotonic()
            if left > 0 and not (args.out / f"gpu_check-{name}.json").exists():
                run_part(name, args, seconds=left)
    missing = [name for name in args.parts if not (args.out / f"gpu_check-{name}.json").exists()]
    if missing:
        sys.exit(f"not measured: {', '.join(missing)}; see gpu_check-NAME.log in {args.out}")


if __name__ == "__main__":
    main()
