"""Lists as mixed as the history: Steck's example, against brute force, by every door, and what is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec import Calibration, Split, evaluate
from llmrec.cli.app import run
from llmrec.config import Recipe
from llmrec.data import Catalog, Dataset, Histories, Sequences
from llmrec.errors import DataError
from llmrec.evaluation.beyond_accuracy import genre_weights
from llmrec.evaluation.results import Result
from llmrec.models import Diversified, Recommender, from_recipe
from llmrec.models.request import Request
from llmrec.models.rerank import Calibrated
from llmrec.retrieval.filters import Cap, ItemRules

N = 40  # the first half romances, which score higher, the other half of action; one item in five is of both
GENRES = ["Romance|Action" if n % 5 == 4 else "Romance" if n < N // 2 else "Action" for n in range(N)]
CATALOG = Catalog(
    pl.DataFrame(
        {
            "item_id": [str(n) for n in range(N)],
            "title": [f"Film {n}" for n in range(N)],
            "genres": GENRES,
            "maker": [[f"m{n % 7}", f"m{n % 3}"] for n in range(N)],
            "note": pl.Series([None] * N, dtype=pl.String),
        }
    )
)
SCORES = -np.arange(N, dtype=np.float32)


def listed(calibration: Calibration, history: list[int], k: int = 10, caps: tuple[Cap, ...] = ()) -> list[int]:
    """Return the list of one history, of which all items may be in the list."""
    request = Request(k, ItemRules(caps=caps), Calibrated(calibration.resolve(CATALOG), calibration.weight))
    past = Sequences(np.array(history, dtype=np.int32), np.array([0, len(history)]))
    order = np.arange(N)[None]
    best, _ = request.lists(lambda rows, k: (order[rows, :k], SCORES[None][rows, :k]), 1, N, lambda: past)
    return [int(code) for code in best[0]]


def by_hand(calibration: Calibration, history: list[int], k: int) -> list[int]:
    """Take k items as the definition says, one by one."""
    cells = CATALOG.table[calibration.column].to_list()
    values = [set(cell.split("|") if isinstance(cell, str) else cell) for cell in cells]

    def shares(items: list[int]) -> dict[str, float]:
        counts = Counter[str]()
        for item in items:
            counts.update({value: 1 / len(values[item]) for value in values[item]})
        return {value: count / len(items) for value, count in counts.items()}

    def divergence(items: list[int]) -> float:
        mine, target = shares(items), shares(history)
        return sum(p * math.log(p / (0.99 * mine.get(value, 0) + 0.01 * p)) for value, p in target.items())

    relevance, chosen = [1 - n / (N - 1) for n in range(N)], list[int]()
    for _ in range(k):
        left = [n for n in range(N) if n not in chosen]
        weight = calibration.weight
        gains = [(1 - weight) * relevance[n] - weight * divergence([*chosen, n]) for n in left]
        chosen.append(left[int(np.argmax(np.round(gains, 6)))])
    return chosen


def test_seven_romances_and_three_action_films_make_a_list_of_seven_and_three() -> None:
    history = [0, 1, 2, 3, 5, 6, 7, 20, 21, 22]
    assert [GENRES[n] for n in listed(Calibration("genres", 0.001), history)].count("Action") == 0
    mixed = [GENRES[n] for n in listed(Calibration("genres", 0.99), history)]
    halves = mixed.count("Romance|Action")
    assert mixed.count("Action") + halves / 2 == pytest.approx(3, abs=0.5)
    assert mixed.count("Romance") + halves / 2 == pytest.approx(7, abs=0.5)


@pytest.mark.parametrize("column", ["genres", "maker"])
def test_it_is_the_definition(column: str) -> None:
    for weight in (0.1, 0.5, 0.9):
        for history in ([0, 1, 20], [4, 9, 21, 22, 23], [30]):
            one = Calibration(column, weight)
            assert listed(one, history, 8) == by_hand(one, history, 8), (weight, history)


def test_without_a_history_the_list_is_as_it_is_and_caps_hold() -> None:
    assert listed(Calibration("genres", 0.9), []) == list(range(10))
    capped = listed(Calibration("genres", 0.9), [0, 20], 4, caps=(Cap(np.arange(N) // 20, 2),))
    assert [n // 20 for n in sorted(capped)] == [0, 0, 1, 1]


def test_reports_count_the_same_parts() -> None:
    weights = genre_weights(CATALOG)
    assert weights is not None
    positions, values, parts = Calibration("genres").resolve(CATALOG).of(np.arange(N))
    dense = np.zeros_like(weights)
    dense[positions, values] = parts
    np.testing.assert_array_equal(dense, weights)
    assert Calibration("genres").resolve(CATALOG) is Calibration("genres", 0.1).resolve(CATALOG)  # made once


@pytest.fixture(scope="module")
def shop() -> Dataset:
    """Thirty people who look at romances, and each at two action films of their own; sorted by popularity."""
    rows = [(user, item, item) for user in range(30) for item in range(12) if item != user % 12]
    rows += [(user, 20 + (user + n) % 12, 12 + n) for user in range(30) for n in range(3)]
    events = pl.DataFrame(
        [(str(user), str(item), 100 * user + at) for user, item, at in rows],
        schema=["user_id", "item_id", "timestamp"],
        orient="row",
    )
    return Dataset.from_tables(events, items=CATALOG.table, name="shop", keep_unseen_items=True)


@pytest.fixture(scope="module")
def split(shop: Dataset) -> Split:
    return Split.leave_last_out(shop)


@pytest.fixture(scope="module")
def model(split: Split) -> Recommender:
    """Popularity, which has no vectors of items."""
    return from_recipe(Recipe(model="popularity")).fit(split.train)


def test_every_model_can_and_the_report_says_what_it_costs(model: Recommender, split: Split) -> None:
    called = {"popular": model, "mixed": Diversified(model, Calibration("genres", 0.9))}
    report = evaluate(called, split)
    rows = {row.model: row for row in report.results}
    assert _miscalibration(rows["mixed"]) < 0.7 * _miscalibration(rows["popular"])
    assert rows["mixed"].metrics["ndcg@10"].mean != rows["popular"].metrics["ndcg@10"].mean


def _miscalibration(row: Result) -> float:
    assert row.beyond is not None and row.beyond.miscalibration is not None
    return row.beyond.miscalibration.mean


@pytest.mark.parametrize(
    ("column", "weight", "message"),
    [
        (
            "nothing",
            0.5,
            "calibration by nothing, which is no column of the items; columns to group by are genres",
        ),
        ("title", 0.5, "calibration by title, which tells items apart"),
        ("note", 0.5, "no item has a value there"),
        ("genres", 0.0, "above 0 and at most 1, got 0.0"),
        ("genres", float("nan"), "above 0 and at most 1, got nan"),
        ("genres", True, "above 0 and at most 1, got True"),
        (3, 0.5, "is text, not 3; write llmrec.Calibration"),
    ],
)
def test_what_is_no_calibration_is_one_line(model: Recommender, column: str, weight: float, message: str) -> None:
    with pytest.raises(DataError, match=message) as refusal:
        model.recommend(Histories.of({"new": ["1"]}), 3, diversity=Calibration(column, weight))
    assert "\n" not in str(refusal.value)


def test_on_the_command_line(
    model: Recommender, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "run", split=split)
    words = ["recommend", str(tmp_path / "run"), "--history", "0,1,20", "-k", "6"]
    assert run([*words, "--diversity", "0.9", "--calibrate", "genres", "--json"]) == 0
    wanted = model.recommend([["0", "1", "20"]], 6, diversity=Calibration("genres", 0.9))["item_id"].to_list()
    assert [row["item_id"] for row in json.loads(capsys.readouterr().out)] == wanted
    for more, message in (
        (["--calibrate", "genres"], "say how much with --diversity"),
        (["--diversity", "0.5", "--calibrate", "nothing"], "is no column of the items"),
        (["--diversity", "0.5"], "popularity models have no item vectors"),
    ):
        assert run([*words, *more]) == 2
        assert message in capsys.readouterr().err
    job = ["batch", "recommend", str(tmp_path / "run"), "--out", str(tmp_path / "lists"), "--diversity", "0.5"]
    assert run([*job, "--calibrate", "nothing"]) == 2
    assert not (tmp_path / "lists").exists()
    assert run([*job, "--calibrate", "genres"]) == 0
    lists = pl.read_parquet(tmp_path / "lists" / "part-*.parquet")
    everybody = model.recommend(model.histories, 10, diversity=Calibration("genres", 0.5))
    assert (
        lists.select("user_id", "item_id", "rank")
        .sort("user_id", "rank")
        .equals(everybody.select("user_id", "item_id", "rank").sort("user_id", "rank"))
    )
