"""Kill a real `llmrec serve` (-9) while it takes events, start it again: it has every acknowledged one, once.

python eval/benchmarks/serve_kill.py RUN [--events 1000] [--kills 5] [--clients 8]. Every client posts events one
by one; what was not acknowledged when the server died is sent again to the next one, as a client would. An event
that was acknowledged and is not in the file, or is there twice, is a failure. RUN is not changed. Writes
serve-kill.json.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import llmrec
from eval.benchmarks.serve_load import server
from eval.common import arguments, write_result

USERS = 7


class Sender:
    """Posts numbered events of one item, and knows which were acknowledged and which were there already."""

    def __init__(self, item: str) -> None:
        self._item = item
        self.acknowledged: set[int] = set()
        self.duplicates: set[int] = set()

    def send(self, port: int, numbers: Iterable[int], enough: threading.Event, most: int) -> None:
        """Post events until the server is gone; set ``enough`` when ``most`` are acknowledged."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with closing(connection):
            for number in numbers:
                event = {"item_id": self._item, "event_id": str(number)}
                body = json.dumps({"user_id": f"u{number % USERS}", "events": [event]})
                try:
                    connection.request("POST", "/events", body, {"Content-Type": "application/json"})
                    answer = json.loads(connection.getresponse().read())
                except (OSError, http.client.HTTPException):
                    return
                self.acknowledged.add(number)
                if answer["duplicates"]:
                    self.duplicates.add(number)
                if len(self.acknowledged) >= most:
                    enough.set()


def stored(path: Path) -> Counter[int]:
    """Count the events of a file by their numbers; one under another user's name is none."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT user_id, event_id FROM events").fetchall()
    return Counter(int(event) for user, event in rows if user == f"u{int(event) % USERS}")


def killed(run: Path, path: Path, sender: Sender, numbers: Sequence[int], *, most: int, clients: int) -> None:
    """Serve a run, post events by so many clients, and kill the server when ``most`` are acknowledged in all."""
    enough = threading.Event()
    with server(run, events=path) as (port, process, _), ThreadPoolExecutor(clients) as pool:
        shares = [numbers[n::clients] for n in range(clients)]
        jobs = [pool.submit(sender.send, port, share, enough, most) for share in shares]
        enough.wait(120)
        process.kill()
    for job in jobs:
        job.result()


def measure(run: Path, *, events: int, kills: int, clients: int) -> list[dict[str, Any]]:
    """Kill the service so many times while it takes events, and once when all are there. Returns a row each."""
    sender, rows = Sender(llmrec.load(run).catalog.ids[0]), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.sqlite"
        for kill in range(kills + 1):
            remaining = [number for number in range(events) if number not in sender.acknowledged]
            most = events - len(remaining) + -(-len(remaining) // (kills + 1 - kill))
            killed(run, path, sender, remaining, most=most, clients=clients)
            there = stored(path)
            row = {
                "kill": kill + 1,
                "acknowledged": len(sender.acknowledged),
                "stored": len(there),
                "stored_not_acknowledged": len(there.keys() - sender.acknowledged),
                "sent_again_and_there": len(sender.duplicates),
                "lost": len(sender.acknowledged - there.keys()),
                "twice": sum(count > 1 for count in there.values()),
            }
            rows.append(row)
    return rows


def main() -> None:
    """Kill one run's service."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8)
    args = parser.parse_args()
    rows = measure(args.run, events=args.events, kills=args.kills, clients=args.clients)
    settings = {"events": args.events, "clients": args.clients}
    write_result(args.out / "serve-kill.json", {"Events after each kill": rows}, settings=settings)
    print(*rows, sep="\n")
    raise SystemExit(
        1 if any(row["lost"] or row["twice"] for row in rows) or rows[-1]["stored"] < args.events else 0
    )


if __name__ == "__main__":
    main()
