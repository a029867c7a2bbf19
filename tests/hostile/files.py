"""Changes of single files in a run directory, as damage or a stranger would make them."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from hostile.nasty import CANARY_VARIABLE, TEMPLATES, VALUES, spoiled
from safetensors.numpy import load_file, save_file

FileChange = Callable[[Path, random.Random], str]


class _Payload:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f'touch "${CANARY_VARIABLE}"',)


def bytes_changed(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    for _ in range(draw.randint(1, 8)):
        if content:
            content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(content)
    return "some bytes changed"


def cut(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randint(0, max(len(content) - 1, 0))])
    return "cut"


def replaced(path: Path, draw: random.Random) -> str:
    what = draw.choice(("nothing", "zeros", "noise", "pickle", "brackets", "sparse"))
    import pickle

    content = {
        "nothing": b"",
        "zeros": bytes(len(path.read_bytes())),
        "noise": draw.randbytes(1000),
        "pickle": pickle.dumps(_Payload()),
        "brackets": b"[" * 200_000,
        "sparse": b"",
    }
    path.write_bytes(content[what])
    if what == "sparse":
        os.truncate(path, 2**40)
    return f"replaced by {what}"


def json_spoiled(path: Path, draw: random.Random) -> str:
    value = spoiled(json.loads(path.read_text(encoding="utf-8")), draw)
    path.write_text(json.dumps(value), encoding="utf-8")
    return "a value spoiled"


def yaml_spoiled(path: Path, draw: random.Random) -> str:
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    n = draw.randrange(len(documents))
    documents[n] = spoiled(documents[n], draw)
    if draw.random() < 0.5 and isinstance(documents[n], dict) and "user" in documents[n]:
        documents[n] |= {"user": draw.choice(TEMPLATES), "variables": ["item", "range", "cycler", "lipsum"]}
    path.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    return "a value spoiled"


def yaml_bomb(path: Path, draw: random.Random) -> str:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    texts = {
        "aliases": f"a0: &a0 [x, x, x]\n{levels}" + path.read_text(encoding="utf-8"),
        "depth": "{a: " * 50_000,
        "python tag": f"a: !!python/object/apply:os.system ['touch ${CANARY_VARIABLE}']\n",
        "recursion": "a: &a [*a]\n",
        "date": "a: 2020-99-99\n",
        "digits": f"seed: {'9' * 10_000}\n",
    }
    what = draw.choice(tuple(texts))
    path.write_text(texts[what], encoding="utf-8")
    return what


def tensors_spoiled(path: Path, draw: random.Random) -> str:
    tensors = load_file(path)
    name = draw.choice(sorted(tensors))
    array = tensors.pop(name)
    numbers = np.random.default_rng(draw.randrange(2**32))
    spoil: dict[str, Callable[[Any], Any]] = {
        "nan": lambda a: _with(a, float("nan") if a.dtype.kind == "f" else -1, numbers),
        "infinite": lambda a: _with(a, float("inf") if a.dtype.kind == "f" else 2**62, numbers),
        "huge": lambda a: _with(a, 3e38 if a.dtype.kind == "f" else -(2**62), numbers),
        "all huge": lambda a: np.full_like(a, 3e38 if a.dtype.kind == "f" else 2**62),
        "negated": lambda a: -a,
        "zeros": np.zeros_like,
        "rows in another order": lambda a: numbers.permutation(a) if a.ndim else a,
        "one row more": lambda a: np.concatenate([a, a[-1:]]) if a.ndim and len(a) else a,
        "one row fewer": lambda a: a[:-1] if a.ndim else a,
        "flat": lambda a: a.reshape(-1),
        "another axis": lambda a: a[None],
        "transposed": lambda a: a.T.copy(),
        "float64": lambda a: a.astype(np.float64),
        "int8": lambda a: np.zeros(a.shape, dtype=np.int8),
        "empty": lambda a: a[:0] if a.ndim else a,
    }
    what = draw.choice((*spoil, "gone", "renamed", "added"))
    if what in spoil:
        tensors[name] = np.ascontiguousarray(spoil[what](array)) if array.ndim else np.array(spoil[what](array))
    elif what != "gone":
        tensors[f"{name}_2"] = array
        tensors |= {name: array} if what == "added" else {}
    save_file(tensors, path)
    return f"{name} {what}"


def _with(array: Any, value: float, numbers: np.random.Generator) -> Any:
    changed = np.array(array)
    if changed.size:
        changed.reshape(-1)[numbers.integers(changed.size)] = value
    return changed


def header_spoiled(path: Path, draw: random.Random) -> str:
    """Change what a safetensors file says of itself."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = spoiled(json.loads(content[8 : 8 + length]), draw)
    text = json.dumps(header).encode()
    size = draw.choice((len(text), len(text), len(text), 2**40, 0))
    path.write_bytes(struct.pack("<Q", size) + text + content[8 + length :])
    return "header spoiled"


def table_spoiled(path: Path, draw: random.Random) -> str:
    table = pl.read_parquet(path)
    name, n = draw.choice(table.columns), max(table.height, 1)
    spoil: dict[str, Callable[[], pl.DataFrame]] = {
        "rows in another order": lambda: table.sample(fraction=1.0, shuffle=True, seed=draw.randrange(1000)),
        "one row more": lambda: pl.concat([table, table[-1:]]),
        "one row fewer": lambda: table[:-1],
        "no rows": lambda: table[:0],
        f"{name} gone": lambda: table.drop(name),
        f"{name} null": lambda: table.with_columns(pl.lit(None).alias(name)),
        f"{name} partly null": lambda: table.with_columns(pl.when(pl.int_range(n) > 1).then(name)),
        f"{name} a list": lambda: table.with_columns(pl.concat_list(name)),
        f"{name} a struct": lambda: table.with_columns(pl.struct(name).alias(name)),
        f"{name} a number": lambda: table.with_columns(pl.int_range(n).alias(name)),
        f"{name} infinite": lambda: table.with_columns(pl.lit(float("inf")).alias(name)),
        f"{name} NaN": lambda: table.with_columns(pl.lit(float("nan")).alias(name)),
        f"{name} all the same": lambda: table.with_columns(pl.lit(table[name].first()).alias(name)),
        f"{name} reversed": lambda: table.with_columns(pl.col(name).reverse()),
        f"{name} markup": lambda: table.with_columns(pl.lit("<|im_end|>\x1b[2J{{ 7 * 7 }}").alias(name)),
        f"{name} long": lambda: table.with_columns(pl.lit("word " * 20_000).alias(name)),
        f"{name} renamed": lambda: table.rename({name: "other"}),
        "a column added": lambda: table.with_columns(pl.lit(1).alias("added")),
    }
    what = draw.choice(tuple(spoil))
    spoil[what]().write_parquet(path)
    return what


def index_spoiled(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    places = {"type": 0, "width": 4, "rows": 8, "length": len(content) - 8, "values": len(content) // 2}
    what = draw.choice(tuple(places))
    values = (b"IwFl", struct.pack("<Q", 2**60), struct.pack("<f", float("nan")), bytes(8), b"\xff" * 8)
    value = draw.choice(values)
    content[places[what] : places[what] + len(value)] = value
    path.write_bytes(content)
    return f"{what} changed"


def text_spoiled(path: Path, draw: random.Random) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    lines.insert(
        draw.randint(0, len(lines)), draw.choice(("{", "null", '{"step": "x"}', "\x1b[2J", str(VALUES[4])))
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    return "a line added"


BY_SUFFIX: dict[str, tuple[FileChange, ...]] = {
    ".json": (json_spoiled,) * 4,
    ".yaml": (yaml_spoiled,) * 4 + (yaml_bomb,),
    ".safetensors": (tensors_spoiled,) * 5 + (header_spoiled,) * 2,
    ".parquet": (table_spoiled,) * 4,
    ".faiss": (index_spoiled,) * 3,
    ".jsonl": (text_spoiled,),
    ".md": (text_spoiled,),
}
ANY: tuple[FileChange, ...] = (bytes_changed, cut, replaced)
