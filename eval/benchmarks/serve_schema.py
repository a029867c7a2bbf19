"""Have schemathesis send a real `llmrec serve` what its OpenAPI describes, and what it forbids.

python eval/benchmarks/serve_schema.py RUN [--schemathesis FILE] [--examples 100] [--seconds 300] [--seed 0]. Any
5xx, any status, header or body that the OpenAPI does not name, any forbidden request that is answered and any
answer without the key is a failure. What the schema cannot say (ids that a run knows) may be refused. RUN is
copied and not changed. schemathesis comes with the `dev` extra, or in an environment of its own:

    python -m venv /tmp/schemathesis && /tmp/schemathesis/bin/pip install schemathesis==4.32.5
    python eval/benchmarks/serve_schema.py RUN --schemathesis /tmp/schemathesis/bin/schemathesis

Writes serve-schema.json.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from eval.benchmarks.hostile_values import KEY
from eval.benchmarks.serve_hostile import OPTIONS
from eval.benchmarks.serve_load import server
from eval.common import arguments, write_result

# The command beside this interpreter, else the one on the PATH.
COMMAND = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or "schemathesis"
# Too much of something is also refused by the size of the body; what is well-formed may name what the run lacks.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "404", "405", "408", "409", "413", "415", "422", "429", "431"]
[checks.positive_data_acceptance]
enabled = false
"""


def measure(run: Path, command: str, *, examples: int, seconds: int, seed: int) -> dict[str, Any]:
    """Run schemathesis against a copy of a run. Returns its report. Raises SystemExit where it made none."""
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copytree(run, Path(folder) / "run")
        config, report = Path(folder) / "schemathesis.toml", Path(folder) / "report.json"
        config.write_text(CONFIG, encoding="utf-8")
        with server(copied, *OPTIONS, key=KEY) as (port, _, _):
            words = [command, "--config-file", str(config), "run", f"http://127.0.0.1:{port}/openapi.json"]
            words += ["--header", f"Authorization: Bearer {KEY}", "--seed", str(seed), "--max-time", str(seconds)]
            words += ["--max-examples", str(examples), "--continue-on-failure", "--suppress-health-check", "all"]
            words += ["--report", "json", "--report-json-path", str(report)]
            printed = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if not report.is_file():
            raise SystemExit(printed.stderr or printed.stdout)
        values: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return values


def row_of(report: dict[str, Any]) -> dict[str, Any]:
    """Sum a report up."""
    return {
        "operations": report["operations"]["tested"],
        "requests": report["test_cases"]["generated"],
        "accepted": sum(phase["accepted"] for rates in report["valid_rates"].values() for phase in rates.values()),
        "failures": report["test_cases"]["unique_failures"],
        "errors": len(report["errors"]),
        "seconds": report["running_time"],
    }


def main() -> None:
    """Test one run's service."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--schemathesis", default=COMMAND, help="the command, where it is not beside Python")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if shutil.which(args.schemathesis) is None:
        parser.error(f"there is no command {args.schemathesis}; install it as `--help` says")
    report = measure(args.run, args.schemathesis, examples=args.examples, seconds=args.seconds, seed=args.seed)
    row = row_of(report)
    settings = {"examples": args.examples, "seed": args.seed, "schemathesis": report["schemathesis_version"]}
    details = {"failures": report["failures"][:20]}
    write_result(args.out / "serve-schema.json", {"What came of it": [row]}, settings=settings, details=details)
    print(row, *report["failures"][:20], sep="\n")
    raise SystemExit(1 if row["failures"] or row["errors"] else 0)


if __name__ == "__main__":
    main()
