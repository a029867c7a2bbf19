"""What a training does to the process that it runs in."""

from __future__ import annotations

import platform

import numpy as np
import psutil
import pytest

from llmrec.runtime import ALLOCATION, freed_memory_reused

MIB = 1024**2
LARGE = 128 * MIB  # above what glibc keeps of itself

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def freed() -> int:
    """Return how much smaller the process is when a large array is gone."""
    array = np.ones(LARGE // 8)
    before = resident()
    del array
    return before - resident()


def test_freed_memory_is_kept_for_the_next_step_and_given_back_at_the_end() -> None:
    with freed_memory_reused(LARGE):
        kept = freed() < LARGE / 4
        during = resident()
    assert kept
    assert during - resident() > LARGE / 2
    assert freed() > LARGE / 2  # as before the block


def test_small_arrays_change_nothing() -> None:
    with freed_memory_reused(LARGE // 8):
        assert freed() > LARGE / 2


def test_memory_is_given_back_where_training_failed() -> None:
    with pytest.raises(RuntimeError), freed_memory_reused(LARGE):
        freed()
        during = resident()
        raise RuntimeError
    assert during - resident() > LARGE / 2


@pytest.mark.parametrize("name", [f"{ALLOCATION[0]}TRIM_THRESHOLD_", ALLOCATION[1]])
def test_who_has_set_how_memory_is_allocated_is_not_overruled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with freed_memory_reused(LARGE):
        assert freed() > LARGE / 2
