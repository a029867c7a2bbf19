"""Run other libraries in environments of their own and evaluate their lists by our metrics.

python eval/experiments/peers.py [--data DIR] [--users SHARE] [--python NAME=INTERPRETER ...] [--only NAME ...]
Each of PEERS is a script of eval/peers/ with a PEP 723 header. It runs by `uv run`, or by the interpreter named
for it; it reads Parquet and writes Parquet (user_id, item_id, rank). Time and memory are of its whole process.
Results in peers/ are kept and not made again; a failure is kept with its reason. Writes peers/DATA-NAME.json.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl

from eval.common import arguments, open_data, run_measured, write_result
from eval.peers.launch import command, interpreters, write_split
from llmrec import Split
from llmrec.evaluation import EvaluationProtocol, bootstrap
from llmrec.metrics import per_user

PEERS = {
    "implicit-als": ("implicit_als.py",),
    "rectools-sasrec": ("rectools_sequential.py", "--model", "sasrec", "--epochs", "60"),
    "rectools-sasrec-15": ("rectools_sequential.py", "--model", "sasrec", "--epochs", "15"),
    "rectools-sasrec-short": ("rectools_sequential.py", "--model", "sasrec", "--epochs", "15", "--length", "20"),
    "rectools-bert4rec": ("rectools_sequential.py", "--model", "bert4rec", "--epochs", "20"),
    "recbole-gru4rec": ("recbole_sequential.py", "--model", "GRU4Rec", "--epochs", "10"),
    "recbole-sasrec": ("recbole_sequential.py", "--model", "SASRec", "--epochs", "10"),
}


def metrics(recs: pl.DataFrame, split: Split) -> dict[str, dict[str, float]]:
    """Our metrics with intervals, as the protocol says."""
    rules = EvaluationProtocol.load("leave-last-out")
    table = per_user(recs, split.test.answers, users=split.test.histories.user_ids, k=rules.k)
    return {
        column: bootstrap(table[column].to_numpy(), samples=rules.bootstrap_samples).model_dump()
        for column in rules.columns
    }


def main() -> None:
    """Write what peers read, run those whose result is missing."""
    parser = arguments(__doc__, data=True)
    parser.add_argument("--users", type=float, default=1.0, help="a share of them, the same as accuracy.py's")
    parser.add_argument("--python", nargs="*", default=[], metavar="NAME=INTERPRETER")
    parser.add_argument("--only", nargs="*", default=list(PEERS), choices=PEERS)
    args = parser.parse_args()
    pythons = interpreters(args.python)
    data = open_data(args.data, users=args.users)
    split = Split.leave_last_out(data)
    for name in args.only:
        result = args.out / "peers" / f"{data.name}-{name}.json"
        if result.is_file():
            continue
        script, *options = PEERS[name]
        with tempfile.TemporaryDirectory() as scratch:
            folder, recs = Path(scratch), Path(scratch) / "recs.parquet"
            write_split(split, folder)
            run = run_measured([*command(script, pythons.get(name)), folder, recs, *options], cwd=folder)
            row = {"peer": name, "data": data.name}
            row |= metrics(pl.read_parquet(recs), split) if run.failure is None else {}
        row |= {"seconds": round(run.seconds, 1), "peak_memory_gib": round(run.peak_memory_gib, 2)}
        row |= {"failure": run.failure}
        details = {"arguments": [script, *options], "split": split.hash}
        write_result(result, {"Their lists by our metrics": [row]}, details=details)
        print(row, flush=True)


if __name__ == "__main__":
    main()
