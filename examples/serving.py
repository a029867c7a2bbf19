"""A run served over HTTP, and asked: a list, an event that changes it, reasons. Needs the extra `serve`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import llmrec
from llmrec.data import toy_films

OUT = Path("runs/examples/serving")


def main() -> None:
    """Fit, serve, ask, stop."""
    data = toy_films(n_users=200)
    split = llmrec.Split.leave_last_out(data)
    llmrec.fit(llmrec.Recipe.load("markov"), data, split, OUT / "run", resume=True, progress=False)
    words = [sys.executable, "-m", "llmrec", "serve", str(OUT / "run"), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()  # serving ... on http://127.0.0.1:PORT
            ask(re.findall(r"http://\S+", line)[0])
        finally:
            server.terminate()


def ask(address: str) -> None:
    """Ask a service as its model would be asked."""
    with llmrec.Client(address) as client:
        print(client.recommend(["17"], k=3))
        client.add_events("17", [{"item_id": "5", "event_id": "order-1"}])
        recs = client.recommend(["17"], k=3)
        print(recs)
        print(client.explain(recs.head(1), llmrec.Histories.of({"17": ["4", "5"]}))["sentence"][0])


if __name__ == "__main__":
    main()
