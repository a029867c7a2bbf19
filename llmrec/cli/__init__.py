"""The command line: parse, call one function, print."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``llmrec``. Exit codes: 0 done, 1 failed, 2 bad input."""
    from llmrec.cli.app import run

    sys.exit(run(sys.argv[1:]))
