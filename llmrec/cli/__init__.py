"""The command line: parse, call one function, print."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run ``llmrec``. Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of terminals that cannot show every letter
    try:
        from llmrec.cli.app import run
        from llmrec.cli.output import print_traceback

        sys.excepthook = print_traceback
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules are imported
        sys.stderr.write("error: interrupted\n")
        code = 130
    sys.exit(code)
