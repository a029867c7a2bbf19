"""Files of strangers: what is too large, too deep or not of its kind is one line, and takes no time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from llmrec.resources.bounded import (
    UnreadableError,
    read_json,
    read_table,
    read_text,
    read_yaml,
    read_yaml_documents,
)

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "the alias"),
        ("a: &a [*a]\n", "the alias"),
        ("[" * 100_000, "recursion"),
        ("a: !!python/object/apply:os.system [true]\n", "python/object"),
        ("a: 2020-99-99\n", "month"),
        ("a: " + "9" * 10_000, "digits"),
        ("a: [\n", "expected"),
        ("a: 1\n---\nb: 2\n", "2 documents"),
        ("a: " + "x" * 2**20, "more than"),
        ("\x00", "special characters"),
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableError, match=reason) as told:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(told.value)


def test_yaml_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: {b: [1, x, null]}\n---\n2020-01-02\n", encoding="utf-8")
    assert list(read_yaml_documents(tmp_path / "a.yaml")) == [{"a": {"b": [1, "x", None]}}, date(2020, 1, 2)]
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    assert read_yaml(tmp_path / "empty.yaml") is None


@pytest.mark.parametrize("content", [b"[" * 100_000, b"9" * 10_000, b"{", b"\xff", b'{"a": 1} x', b"x" * 1000])
def test_json_that_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UnreadableError) as told:
        read_json(tmp_path / "a.json", most=300_000)
    assert "\n" not in str(told.value)


def test_a_text_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("é" * 5, encoding="utf-8")
    assert read_text(tmp_path / "a", most=10) == "é" * 5
    with pytest.raises(UnreadableError, match="more than 9 bytes"):
        read_text(tmp_path / "a", most=9)


TABLE = pl.DataFrame(
    {
        "id": [str(n) for n in range(40)],
        "title": [f"Film {n % 7} é" for n in range(40)],
        "row": pl.Series(range(40), dtype=pl.Int32),
        "genres": [["a", "b"]] * 40,
        "price": [1.5, None] * 20,
        "behavior": pl.Series(["buy", "view"] * 20, dtype=pl.Categorical),
        "seen": [True, None] * 20,
    }
)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "a.parquet")
    again = read_table(tmp_path / "a.parquet")
    assert again.schema == TABLE.schema
    assert again.equals(TABLE)


def test_a_damaged_table_neither_panics_nor_aborts(tmp_path: Path) -> None:
    """polars' own reader prints a stack trace for some of these, and ends the process for others."""
    path, draw, ends = tmp_path / "a.parquet", random.Random(0), Counter[str]()
    TABLE.write_parquet(path)
    whole = path.read_bytes()
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            read_table(path)
            ends["read"] += 1
        except UnreadableError as error:
            assert "\n" not in str(error)
            ends["refused"] += 1
    assert ends["refused"] > 200


def bomb(path: Path) -> None:
    """Say of a few bytes that they are a trillion rows."""
    schema = pa.schema([("a", pa.int64())])
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for _ in range(40):
            writer.write_table(pa.table({"a": pa.array([0] * 100_000)}, schema=schema))


def test_a_table_that_becomes_absurdly_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").height == 4_000_000
    monkeypatch.setattr("llmrec.resources.bounded.TABLE_BYTES", 2**20)
    monkeypatch.setattr("llmrec.resources.bounded.TABLE_RATIO", 50)
    with pytest.raises(UnreadableError, match=r"bytes say that they hold 4,000,000 rows"):
        read_table(tmp_path / "a.parquet")


@pytest.mark.parametrize("read", [read_text, read_json, read_yaml, read_table])
def test_a_missing_file_is_the_system_s_error(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")
