"""Every kind of model, trained anew, scores as it did before: a change of names must not change numbers.

``golden_scores.json`` holds scores that were made before the first renaming. Another processor rounds differently,
and training amplifies that: scores may differ by 1e-4 of their spread (other instruction sets and thread counts
were measured to differ by less than 2e-5). On the recorded processor and versions, or with
``LLMREC_GOLDEN=exact``, every bit must be equal. ``LLMREC_GOLDEN=write`` records new scores, after a change that
is meant to change them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_cases import CASES, scores_of

from llmrec.arrays import Float32s
from llmrec.runtime import machine, versions

FILE = Path(__file__).with_name("golden_scores.json")
MODE = os.environ.get("LLMREC_GOLDEN", "")
N_HISTORIES = 3  # whose scores are written out; the hash is of all
TOLERANCE = 1e-4  # of the standard deviation of a case's scores


def this_machine() -> dict[str, str]:
    """What decides the last bits of a score."""
    packages = {name: versions()[name] for name in ("torch", "transformers", "numpy")}
    return {
        "processor": str(machine()["processor"]),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        **packages,
    }


def recorded() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def digest(scores: Float32s) -> str:
    return hashlib.sha256(np.ascontiguousarray(scores).tobytes()).hexdigest()


def record(case: str, scores: Float32s) -> None:
    content = recorded() if FILE.exists() else {"cases": {}}
    rows = [[float(str(score)) for score in row] for row in scores[:N_HISTORIES]]
    content["cases"][case] = {"sha256": digest(scores), "std": float(str(scores.std())), "scores": rows}
    lines = [f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(content["cases"].items())]
    text = f'{{\n  "machine": {json.dumps(this_machine())},\n  "cases": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
    FILE.write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def check(scores: Float32s, expected: dict[str, Any], *, exact: bool) -> None:
    """Compare scores with the recorded ones: all bits, or within the tolerance."""
    rows = np.array(expected["scores"], dtype=np.float32)
    difference = float(np.abs(scores[:N_HISTORIES] - rows).max()) / expected["std"]
    assert difference <= TOLERANCE, f"scores differ by {difference:.1e} of their standard deviation"
    if exact:
        assert digest(scores) == expected["sha256"], f"the last bits differ ({difference:.1e} of the deviation)"


@pytest.mark.parametrize("case", sorted(CASES))
def test_scores_are_as_they_were(case: str, tiny_base: Path) -> None:
    scores = scores_of(case, tiny_base)
    assert scores.dtype == np.float32
    if MODE == "write":
        record(case, scores)
    exact = MODE == "exact" or recorded()["machine"] == this_machine()
    check(scores, recorded()["cases"][case], exact=exact)


def test_every_recorded_case_is_run() -> None:
    assert sorted(recorded()["cases"]) == sorted(CASES)


def test_another_score_is_noticed() -> None:
    expected = recorded()["cases"]["popularity"]
    scores = np.array(expected["scores"], dtype=np.float32)
    check(scores, expected, exact=False)
    moved = scores.copy()
    moved[1, 2] += np.float32(2 * TOLERANCE * expected["std"])
    with pytest.raises(AssertionError, match="differ by 2"):
        check(moved, expected, exact=False)
    last_bit = np.nextafter(scores, np.float32(np.inf))
    check(last_bit, expected, exact=False)
    with pytest.raises(AssertionError, match="last bits differ"):
        check(last_bit, expected, exact=True)
