"""Search on a GPU, by a stand-in for FAISS's indexes there: which results are taken from it, and which are not."""

from __future__ import annotations

import logging
from typing import Any

import faiss
import numpy as np
import pytest

from llmrec import ItemIndex
from llmrec.retrieval import gpu
from llmrec.retrieval.kinds import choose

N = 3000
VECTORS = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
IDS = [str(n) for n in range(N)]
QUERIES = VECTORS[:5]


class Memory:
    """What a GPU was given and asked: its indexes are FAISS's own of the processor, which answer the same."""

    def __init__(self, *, room: bool = True) -> None:
        self.room, self.asked, self.n_moved = room, list[int](), 0

    def flat(self, _: object, width: int) -> Any:
        if not self.room:
            raise RuntimeError("Error in allocMemory: out of memory\n(details)")
        return Counted(faiss.IndexFlatIP(width), self)

    def moved(self, _: object, device: int, index: Any) -> Any:
        assert device == 0
        self.n_moved += 1
        return Counted(index, self)


class Counted:
    """An index whose searches are counted."""

    def __init__(self, index: Any, memory: Memory) -> None:
        self.index, self.memory, self.add = index, memory, index.add

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep how much is read where it counts."""
        if name == "nprobe":
            self.index.nprobe = value
        else:
            super().__setattr__(name, value)

    def search(self, queries: Any, k: int) -> Any:
        self.memory.asked.append(k)
        return self.index.search(queries, k)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    one = Memory()
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "GpuIndexFlatIP", one.flat, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", one.moved, raising=False)
    return one


def index() -> ItemIndex:
    return ItemIndex.build(VECTORS, IDS, bias=VECTORS[:, 0], kind="flat")


def test_answers_are_those_of_the_processor_whatever_is_allowed(memory: Memory) -> None:
    scores = QUERIES @ VECTORS.T + VECTORS[:, 0]
    for allowed in (None, np.arange(N) % 10 != 0, np.arange(N) % 2 == 0, np.arange(N) % 50 == 0):
        one, masked = index(), scores if allowed is None else np.where(allowed, scores, -np.inf)
        best = np.argsort(-masked, axis=1)[:, :7]
        np.testing.assert_array_equal(one.search(QUERIES, 7, allow=allowed).codes, best)
    assert memory.asked[:2] == [7, int(1.5 * 7 * N / 2700) + 32]
    assert len(memory.asked) == 4  # of a fiftieth, too: 557 results hold seven


def test_what_the_gpu_cannot_say_the_processor_says(memory: Memory) -> None:
    one, few = index(), np.arange(N) < 40
    worst = -QUERIES[:1] * 9
    expected = np.argsort(-(np.where(few, worst @ VECTORS.T + VECTORS[:, 0], -np.inf)), axis=1)[:, :30]
    np.testing.assert_array_equal(one.search(worst, 30, allow=few).codes, expected)
    assert memory.asked == []  # forty of 3,000: more results than it returns
    assert one.search(QUERIES, gpu.MOST_RESULTS + 1).codes.shape == (5, gpu.MOST_RESULTS + 1)
    assert memory.asked == []
    one.remove(IDS[:10])
    assert not np.isin(one.search(QUERIES, 9).ids, IDS[:10]).any()


def test_without_room_it_is_searched_as_ever_and_said_once(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    memory.room, one = False, index()
    with caplog.at_level(logging.WARNING):
        first, second = one.search(QUERIES, 3), one.search(QUERIES, 3)
    np.testing.assert_array_equal(first.codes, second.codes)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith("3,000 rows are searched without the GPU") and "out of memory (details)" in line


def test_a_gpu_compares_all_up_to_its_memory() -> None:
    assert choose("auto", 10**6, 128, bytes_per_item=16, gpu=True).kind == "flat"
    assert choose("auto", 10**8, 128, bytes_per_item=16, gpu=True, free=2**50).kind == "ivf-flat"
    assert choose("auto", 10**6, 128, bytes_per_item=16, free=2**50).kind == "ivf-flat"


@pytest.mark.slow
def test_codes_are_compared_there_and_rows_here(memory: Memory) -> None:
    rows = np.random.default_rng(1).normal(size=(12_000, 8)).astype(np.float32)
    one = ItemIndex.build(rows, [str(n) for n in range(len(rows))], kind="ivf-pq", bytes_per_item=8)
    n_asked = len(memory.asked)
    assert n_asked  # by the measurement of recall
    assert one.facts.recall_at_10 is not None and one.facts.recall_at_10 > 0.8
    one.search(rows[:3], 5, allow=np.arange(len(rows)) % 2 == 0)
    assert len(memory.asked) == n_asked  # codes know no selection there
    one.search(rows[:3], 5)
    assert (len(memory.asked), memory.n_moved) == (n_asked + 1, 1)  # what was measured is what is searched
