"""``python -m tests.hostile``: changed run directories and hostile servers; exits with 1 if one does harm."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# Imported before children are forked, so that each of them need not.
HEAVY = ("llmrec.cli.app", "llmrec.models.llm.network", "llmrec.models.sequential.event_networks", "peft", "faiss")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="how many changed run directories")
    parser.add_argument(
        "--first", type=int, default=0, help="the number of the first; with --runs 1 to repeat one"
    )
    parser.add_argument("--all", action="store_true", help="print every outcome, not only the bad ones")
    parser.add_argument("--fit", type=Path, help=argparse.SUPPRESS)  # what the process that fits is called with
    arguments = parser.parse_args()
    # Before torch is imported: forked children must find no threads.
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    sys.path.insert(0, str(TESTS))
    if arguments.fit:
        from hostile.fitted_runs import fit_runs

        fit_runs(arguments.fit)
        return 0
    failures = _runs(range(arguments.first, arguments.first + arguments.runs), show_all=arguments.all)
    if importlib.util.find_spec("support.hostile_servers") and arguments.runs > 1:
        command = [sys.executable, "-m", "pytest", "-q", "-k", "hostile_server", str(TESTS / "reasons")]
        failures += subprocess.run(command, check=False).returncode
    return min(failures, 1)


def _runs(numbers: range, *, show_all: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="hostile-runs-") as folder:
        # In a process of its own: fitting starts threads, which a fork would lose.
        command = [sys.executable, "-m", "tests.hostile", "--fit", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=TESTS.parent)
        for module in HEAVY:
            importlib.import_module(module)
        from hostile.pool import outcomes, report

        cases = {path.name: path for path in sorted(Path(folder).iterdir()) if (path / "manifest.json").is_file()}
        return report(outcomes(numbers, cases), show_all=show_all)


if __name__ == "__main__":
    sys.exit(main())
