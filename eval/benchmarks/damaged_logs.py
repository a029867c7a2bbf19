"""Small event logs as CSV and JSON lines, and damage to their bytes; the same for the same generator."""

from __future__ import annotations

import json
import random

_SPLICES = (
    b'"',
    b'""',
    b"'",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\x00",
    b"\xff\xfe",
    b"\xe9",
    "é🎬".encode(),
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\\u12",
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"99999999999999999999",
    b"user_id",
    b"::",
    b"#",
    b"\xef\xbb\xbf",
    b"  ",
    b"true",
    b"2024-02-30",
    b"0x1f",
    b"=1+1",
    b"\x1f",
    b"\xc3",
)
_USERS, _ITEMS = ("u1", "u2", "7", "008", ""), ("a", "b", "1.5", "c d", "é")
_BEHAVIORS = ("pv", "buy", "return", "")
_NAMES = (["user_id", "item_id", "timestamp"], ["uid", "iid", "ts", "rating"], ["userId", "movieId"])


def csv_log(rng: random.Random) -> bytes:
    """Write a log of a few rows as CSV, TSV or the like."""
    delimiter = rng.choice([",", ",", "\t", ";", "|"])
    names = rng.choice(_NAMES)
    rows = [delimiter.join(names)]
    rows += [delimiter.join(_cell(name, rng) for name in names) for _ in range(rng.randrange(1, 12))]
    return (rng.choice(["\n", "\n", "\r\n"]).join(rows) + rng.choice(["\n", ""])).encode()


def json_log(rng: random.Random) -> bytes:
    """Write a log of a few rows as JSON lines."""
    names = ["user_id", "item_id", "timestamp", "price", "behavior", "title"][: rng.randrange(2, 7)]
    rows = []
    for _ in range(rng.randrange(1, 12)):
        row: dict[str, object] = {name: _cell(name, rng) for name in names if rng.random() > 0.05}
        if rng.random() < 0.2:
            row["extra"] = rng.choice([None, 1, [1, "x"], {"k": []}, True, 1.5])
        rows.append(json.dumps(row, ensure_ascii=rng.random() < 0.5))
    return "\n".join(rows).encode()


def _cell(name: str, rng: random.Random) -> str:
    kind = {"uid": "user", "userId": "user", "iid": "item", "movieId": "item"}.get(name, name.split("_")[0])
    if kind in ("timestamp", "ts"):
        return str(
            rng.choice(
                [1_700_000_000, 1_600_000_000, 5, *(["2024-05-31", "soon", ""] if rng.random() < 0.1 else [])]
            )
        )
    if kind in ("rating", "price"):
        return rng.choice(["1", "2.5", "-3", "", "4"] if rng.random() < 0.98 else ["dear"])
    choices = {"user": _USERS, "item": _ITEMS, "behavior": _BEHAVIORS}
    return rng.choice(choices.get(kind, ("Film", "Fílm", "")))


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut, double, swap, splice or flip pieces of a file."""
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(content) + 1)
        to = min(at + rng.randrange(1, 12), len(content))
        piece = rng.choice([b"", content[at:to] * 2, rng.choice(_SPLICES), content[at:to][::-1], rng.randbytes(2)])
        content = content[:at] + piece + content[to if rng.random() < 0.7 else at :]
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content


def options(rng: random.Random) -> dict[str, object]:
    """Choose cleaning options, so that every step meets damaged data."""
    flags = ("drop_unknown_items", "drop_items_without_text", "drop_bad_times", "drop_impossible", "drop_repeats")
    chosen: dict[str, object] = {name: True for name in flags if rng.random() < 0.8}
    return chosen | ({"min_item_events": 2} if rng.random() < 0.2 else {})
