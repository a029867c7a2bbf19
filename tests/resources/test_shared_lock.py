"""A shared lock: many read at once, whoever replaces what they read has it alone and goes first."""

from __future__ import annotations

import threading
import time

from llmrec.resources.shared_lock import SharedLock


def test_who_waits_to_have_it_alone_goes_first_and_meets_nobody() -> None:
    lock, order, inside = SharedLock(), list[str](), threading.Event()

    def alone() -> None:
        with lock.alone():
            order.append("alone begins")
            time.sleep(0.02)
            order.append("alone ends")

    def late() -> None:
        inside.wait()
        with lock.shared():
            order.append("late")

    threads = [threading.Thread(target=one) for one in (alone, late)]
    with lock.shared(), lock.shared():  # again by the same thread
        threads[0].start()
        time.sleep(0.02)
        threads[1].start()
        inside.set()
        with lock.shared():  # also while another waits
            order.append("first")
        time.sleep(0.02)
        order.append("first ends")
    for thread in threads:
        thread.join(timeout=5)
    assert order == ["first", "first ends", "alone begins", "alone ends", "late"]


def test_many_hold_it_at_once() -> None:
    lock, all_inside = SharedLock(), threading.Barrier(4, timeout=5)

    def shared() -> None:
        with lock.shared():
            all_inside.wait()

    threads = [threading.Thread(target=shared) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=5)
    assert not all_inside.broken


def test_an_error_inside_leaves_it_free() -> None:
    lock = SharedLock()
    for block in (lock.shared, lock.alone):
        try:
            with block():
                raise KeyError
        except KeyError:
            pass
    with lock.alone():
        pass
    with lock.shared():
        pass
