"""The service killed in the middle of events: what it acknowledged is there, once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support.serving import NEEDS, films_with_years

pytest.importorskip("fastapi", reason=NEEDS)

from eval.benchmarks import serve_kill
from llmrec import Recipe
from llmrec.models import from_recipe


@pytest.mark.slow
def test_killed_at_any_time_it_has_every_acknowledged_event_once(tmp_path: Path) -> None:
    from_recipe(Recipe(model="markov")).fit(films_with_years()).save(tmp_path / "run")
    first, last = serve_kill.measure(tmp_path / "run", events=150, kills=1, clients=4)
    assert 70 <= first["acknowledged"] < 150 == last["acknowledged"] == last["stored"]
    assert [row[fault] for row in (first, last) for fault in ("lost", "twice")] == [0] * 4
    assert first["acknowledged"] <= first["stored"]


def test_an_event_of_another_user_is_none(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "e")
    connection.execute("CREATE TABLE events (user_id, event_id)")
    connection.executemany("INSERT INTO events VALUES (?, ?)", [("u1", "8"), ("u1", "8"), ("u2", "3")])
    connection.commit()
    connection.close()
    assert serve_kill.stored(tmp_path / "e") == {8: 2}
