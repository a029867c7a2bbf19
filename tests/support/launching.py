"""Start several processes that train together, and compare what they fit with what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

import llmrec
from llmrec import Recipe, Split
from llmrec.models import Recommender

ROOT = Path(__file__).resolve().parents[2]
Options = dict[str, object]


class Launched(NamedTuple):
    """What two processes were given to fit, and how they ended."""

    recipes: Mapping[str, Recipe]
    runs: Path
    codes: list[int]
    errors: list[str]


def environment(rank: int, size: int, port: int = 29500) -> dict[str, str]:
    """Return what a launcher sets for a process."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    return {name: str(value) for name, value in {**numbers, **address}.items()}


def start(script: Path, *words: object, **variables: str) -> subprocess.Popen[str]:
    """Start a script with the package of this checkout."""
    command = [sys.executable, str(script), *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fit_in_two(
    folder: Path, split: Split, recipes: Mapping[str, Recipe], options: Mapping[str, Options]
) -> Launched:
    """Let two processes fit recipes one after the other, with the options that ``fit_jobs.py`` knows."""
    split.data.save(folder / "data")
    jobs = list[Options]()
    for name, recipe in recipes.items():
        (folder / f"{name}.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        files = {"recipe": str(folder / f"{name}.yaml"), "out": str(folder / name)}
        jobs.append({**files, **options.get(name, {})})
    (folder / "jobs.json").write_text(json.dumps({"data": str(folder / "data"), "jobs": jobs}), encoding="utf-8")
    port, script = free_port(), ROOT / "tests/support/fit_jobs.py"
    both = [start(script, folder / "jobs.json", **environment(rank, 2, port)) for rank in range(2)]
    try:
        errors = [process.communicate(timeout=900)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    return Launched(recipes, folder, [process.returncode for process in both], errors)


def whole(launched: Launched, name: str, split: Split) -> Recommender:
    """Fit in this process what was fitted in two."""
    return llmrec.models.from_recipe(launched.recipes[name]).fit(split.train, valid=split.valid)


def assert_alike(one: Recommender, other: Recommender, split: Split) -> None:
    """Assert the same losses, validations and top ten."""
    columns = ("step", "epoch", "tokens", "loss", "valid_ndcg@10")
    assert len(one.train_log) == len(other.train_log) > 0
    for column in columns:
        first, second = ([row[column] for row in model.train_log] for model in (one, other))
        np.testing.assert_allclose(first, second, atol=1e-3, err_msg=column)
    histories = split.test.histories
    tens = [model.recommend(histories, 10).sort("user_id", "item_id") for model in (one, other)]
    shared = tens[0].join(tens[1], on=["user_id", "item_id"]).group_by("user_id").len()
    assert (shared["len"] == 10).sum() >= 0.99 * len(histories)
