"""Run a suite of eval/suites.yaml: python eval/run.py --suite small [--peers "--python NAME=INTERPRETER ..."].

Stopped at any point, the same command continues: finished results are kept, interrupted training goes on from its
checkpoint. At the end README.md and eval/REPORT.md are written anew from the results. `--again RESULT` repeats a
step.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run what is missing; returns 1 if a step failed, after trying the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="small")
    parser.add_argument("--peers", default="", help="options of scripts that run peers: --python ...")
    parser.add_argument("--again", nargs="*", default=[], metavar="RESULT")
    args = parser.parse_args()
    suites = yaml.safe_load((HERE / "suites.yaml").read_text(encoding="utf-8"))
    if args.suite not in suites:
        print(f"no suite '{args.suite}'; there are {', '.join(suites)}", file=sys.stderr)
        return 2
    # Scripts import eval.common from this checkout, wherever llmrec is installed.
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    failed = []
    for step in suites[args.suite]:
        result = HERE / "results" / step["result"]
        if result.is_file() and step["result"] not in args.again:
            print(f"{step['result']}: there", flush=True)
            continue
        began = time.monotonic()
        for command in step["commands"]:
            llmrec = Path(sys.executable).with_name("llmrec")
            words = command.format(python=sys.executable, llmrec=llmrec, peers=args.peers).split()
            if subprocess.run(words, cwd=HERE.parent, env=env, check=False).returncode:
                failed.append(step["result"])
                break
        print(f"{step['result']}: {(time.monotonic() - began) / 60:.1f} min", flush=True)
    for script in ("readme.py", "report.py"):
        subprocess.run([sys.executable, str(HERE / script), "write"], cwd=HERE.parent, env=env, check=True)
    print(f"failed: {', '.join(failed)}" if failed else "all results are there")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
