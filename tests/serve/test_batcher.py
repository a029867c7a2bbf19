"""Queries that wait are answered together, each with its own answer or error; what was taken is answered."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import ExitStack

import pytest
from support.serving import NEEDS

pytest.importorskip("prometheus_client", reason=NEEDS)

from llmrec.serve.batcher import Batcher
from llmrec.serve.failures import BusyError, StoppingError
from llmrec.serve.metrics import ServiceMetrics


class Doubling:
    """Doubles numbers in batches, when it is let; even the name of an error is its own."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()

    def answer(self, queries: list[int]) -> list[int | BaseException]:
        self.go.wait(10)
        self.batches.append(queries)
        if 13 in queries:
            raise RuntimeError("unlucky")
        return [ValueError(str(query)) if query < 0 else 2 * query for query in queries]


def batcher(
    stack: ExitStack, doubling: Doubling, *, most: int = 8, wait: float = 0.05, queue: int = 20
) -> Batcher[int, int]:
    one: Batcher[int, int] = Batcher(doubling.answer, most=most, wait=wait, queue=queue, metrics=ServiceMetrics())
    stack.callback(one.close)
    stack.callback(doubling.go.set)
    return one


def test_what_waits_is_one_batch_of_at_most_so_many() -> None:
    doubling = Doubling()
    with ExitStack() as stack:
        one = batcher(stack, doubling, most=4)
        futures = [one.ask(n) for n in range(6)]
        doubling.go.set()
        assert [future.result(10) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert doubling.batches == [[0, 1, 2, 3], [4, 5]]


def test_one_query_waits_only_so_long_and_none_without_batches() -> None:
    doubling = Doubling()
    doubling.go.set()
    with ExitStack() as stack:
        assert batcher(stack, doubling, wait=0.01).ask(3).result(10) == 6
        alone = batcher(stack, doubling, most=1, wait=100)
        assert [future.result(10) for future in [alone.ask(n) for n in range(3)]] == [0, 2, 4]
    assert doubling.batches == [[3], [0], [1], [2]]


def test_errors_are_each_its_own_and_a_fault_ends_nothing() -> None:
    doubling = Doubling()
    with ExitStack() as stack:
        one = batcher(stack, doubling, most=2)
        good, bad = one.ask(1), one.ask(-1)
        doubling.go.set()
        assert good.result(10) == 2
        with pytest.raises(ValueError, match="-1"):
            bad.result(10)
        with pytest.raises(RuntimeError, match="unlucky"):
            one.ask(13).result(10)
        assert one.ask(5).result(10) == 10


def test_a_full_queue_refuses_and_jobs_run_between_batches() -> None:
    doubling = Doubling()
    with ExitStack() as stack:
        one = batcher(stack, doubling, most=1, queue=3)
        first = one.ask(0)
        while not first.running():
            pass
        waiting: list[Future[int]] = [one.ask(1), one.call(lambda: 7), one.ask(2)]
        with pytest.raises(BusyError, match="3 requests are waiting"):
            one.ask(3)
        forced = one.call(lambda: 8, bounded=False)
        assert waiting[2].cancel()
        doubling.go.set()
        assert [first.result(10), waiting[0].result(10), waiting[1].result(10), forced.result(10)] == [0, 2, 7, 8]
    assert doubling.batches == [[0], [1]]


def test_short_jobs_do_not_wait_for_a_batch_each() -> None:
    """As many begin after a batch as its time holds, before what was asked later."""
    doubling, begun = Doubling(), threading.Event()
    order: list[object] = []
    with ExitStack() as stack:
        one = batcher(stack, doubling, wait=0)
        first = one.ask(1)
        while not first.running():
            begun.wait(0.001)
        jobs = [one.call(lambda n=n: order.append(n)) for n in range(5)]  # type: ignore[misc]
        second = one.ask(2)
        second.add_done_callback(lambda _: order.append("second"))
        begun.wait(0.1)  # the time of the batch
        doubling.go.set()
        assert [future.result(10) for future in (first, second)] == [2, 4]
        assert all(job.done() for job in jobs)
    assert order.index("second") >= 4


def test_closing_answers_what_was_taken_and_takes_no_more() -> None:
    doubling = Doubling()
    with ExitStack() as stack:
        one = batcher(stack, doubling, most=2, wait=100)
        futures = [one.ask(n) for n in range(3)]
        doubling.go.set()
        one.close()
        assert [future.result(0) for future in futures] == [0, 2, 4]
        with pytest.raises(StoppingError):
            one.ask(1)
