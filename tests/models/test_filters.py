"""Filters at request: what they leave, what they say, and lists that are diverse."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl
import pytest

from llmrec import Filter
from llmrec.config import Recipe
from llmrec.data import Catalog, Dataset, Histories
from llmrec.errors import DataError
from llmrec.models import Recommender, from_recipe
from llmrec.models.request import Request
from llmrec.models.rerank import Unlikeness, taken
from llmrec.retrieval.filters import Cap, ItemRules

N = 12
ITEMS = pl.DataFrame(
    {
        "item_id": [str(n) for n in range(N)],
        "title": [f"Film {n}" for n in range(N)],
        "price": [10.0 * n if n else None for n in range(N)],
        "category": [["shoes", "hats"][n % 2] for n in range(N)],
        "in_stock": [n % 3 == 0 for n in range(N)],
        "brand": [None if n == 11 else f"b{n // 4}" for n in range(N)],
        "tags": [["a"] if n < 6 else ["a", "b"] for n in range(N)],
    }
)
CATALOG = Catalog(ITEMS)
NOBODY = Histories.of({"new": []})


@pytest.fixture(scope="module")
def model() -> Recommender:
    """Popularity: item 0 is the most popular, item 11 the least."""
    events = [(user, str(item), user * 100 + item) for user in range(N) for item in range(N - user)]
    table = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    data = Dataset.from_tables(table, items=ITEMS, name="shop", keep_unseen_items=True)
    return from_recipe(Recipe(model="popularity")).fit(data)


def items(model: Recommender, k: int, chosen: Filter) -> list[str]:
    return model.recommend(NOBODY, k, filter=chosen)["item_id"].to_list()


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("price < 50 and category = shoes", [2, 4]),
        ("category = 'shoes' and price < 50", [2, 4]),
        ("in_stock", [0, 3, 6, 9]),
        ("not in_stock and price >= 100", [10, 11]),
        ("category in (hats, gloves) and price < 40", [1, 3]),
        ("category != shoes and price < 40", [1, 3]),
        ("price is null", [0]),
        ("brand = b2", [8, 9, 10]),
        ("item_id = '5'", [5]),
    ],
)
def test_a_condition_on_the_catalog(model: Recommender, condition: str, left: list[int]) -> None:
    assert items(model, N, Filter(condition)) == [str(n) for n in left]


def test_a_column_of_lists_is_asked_for_a_value() -> None:
    table = ITEMS.with_columns(director=pl.concat_list(pl.lit("ann"), pl.col("item_id")))
    catalog = Catalog(table)
    rules = Filter("array_contains(director, '3')").resolve(catalog)
    assert rules.allowed is not None
    assert np.flatnonzero(rules.allowed).tolist() == [3]
    for condition in ("director = ann", "director = 'ann'"):
        with pytest.raises(DataError, match=r"director holds lists: write array_contains\(director, 'value'\)"):
            Filter(condition).resolve(catalog)


def test_several_conditions_and_lists_all_hold(model: Recommender) -> None:
    several = Filter(["in_stock", pl.col("price") > 10], allow=["3", "6", "10"], deny=["3"])
    assert items(model, 5, several) == ["6"]
    candidates = {"new": ["6", "4", "9"]}
    both = model.recommend(NOBODY, 5, filter=Filter("in_stock"), candidates=candidates)
    assert both["item_id"].to_list() == ["6", "9"]


def test_caps_fill_the_list_from_further_down(model: Recommender) -> None:
    assert items(model, 6, Filter(at_most={"brand": 2})) == ["0", "1", "4", "5", "8", "9"]
    assert items(model, 5, Filter(at_most={"brand": 1})) == ["0", "4", "8", "11"]  # no brand counts alone
    assert items(model, 4, Filter(at_most={"brand": 2, "category": 1})) == ["0", "1"]
    assert items(model, 4, Filter(at_most={"tags": 1})) == ["0", "6"]


def test_a_boost_is_added_to_the_score(model: Recommender) -> None:
    plain = model.recommend(NOBODY, N)
    boosted = model.recommend(NOBODY, N, filter=Filter(boosts={"category = hats": 3.5}))
    by_id = dict(zip(plain["item_id"], plain["score"], strict=True))
    for item, score in boosted.select("item_id", "score").iter_rows():
        assert score == by_id[item] + 3.5 * (int(item) % 2)
    assert boosted["item_id"].to_list()[:3] == ["1", "3", "0"]


def test_ids_may_come_in_any_collection(model: Recommender) -> None:
    for ids in ({"3", "4"}, (str(n) for n in (3, 4)), [3, 4], pl.Series(["3", "4"])):
        chosen = Filter(allow=ids)
        assert items(model, 5, chosen) == items(model, 5, chosen) == ["3", "4"]
    with pytest.raises(DataError, match="deny: a list of ids is meant, not the text '3'"):
        Filter(deny="3")


def test_caps_and_boosts_are_dictionaries() -> None:
    with pytest.raises(DataError, match=r"at_most is a dictionary such as \{'brand': 3\}, not a int"):
        Filter(at_most=3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"boosts is a dictionary such as .*, not a str"):
        Filter(boosts="in_stock")  # type: ignore[arg-type]


def test_numbers_that_are_text_are_cast_where_one_says_so() -> None:
    films = Catalog(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"], "year": ["1979", "1996"]}))
    with pytest.raises(DataError, match=r"year is read as text, though each cell is a number: write CAST"):
        Filter("year > 1990").resolve(films)
    allowed = Filter("CAST(year AS DOUBLE) > 1990").resolve(films).allowed
    assert allowed is not None
    assert allowed.tolist() == [False, True]


def test_unknown_ids_are_counted(model: Recommender, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert items(model, 5, Filter(allow=["x", "3"])) == ["3"]
    assert "allow: 1 of 2 items are not in the catalog, e.g. 'x'" in caplog.text


BAD: dict[str, tuple[Filter, str]] = {
    "column": (
        Filter("prize < 50"),
        "items have no column prize; they have item_id, title, price, genres",
    ),
    "column against a word": (Filter("colour = red"), "items have no column"),
    "nothing": (Filter("price > 500"), "the filter leaves none of 12 items: no item is left by price > 500"),
    "together": (Filter(["in_stock", "price = 10"]), "no item is left by price = 10"),
    "allowed": (Filter(allow=[]), "no item is left by the allowed items"),
    "denied": (Filter(deny=ITEMS["item_id"].to_list()), "no item is left by all but the denied items"),
    "no condition": (Filter("price + 1"), "is no condition on an item"),
    "no SQL": (Filter("price <"), "cannot recommend the items where price <"),
    "text and number": (Filter("category > 5"), "category is text"),
    "a number": (Filter(5), "a condition is text or a polars expression"),  # type: ignore[arg-type]
    "cap column": (Filter(at_most={"maker": 2}), "items have no column maker; they have"),
    "cap of none": (Filter(at_most={"brand": 0}), "at most of one brand must be at least 1, got 0"),
    "boost column": (Filter(boosts={"prize < 5": 1.0}), "boost prize < 5: items have no column prize"),
    "boost": (Filter(boosts={"in_stock": float("nan")}), "boost in_stock: nan is no finite number"),
    "no filter": ("price < 5", "write llmrec.Filter"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", BAD)
def test_bad_filters(model: Recommender, name: str) -> None:
    chosen, message = BAD[name]
    with pytest.raises(DataError, match=message) as refusal:
        model.recommend(NOBODY, 3, filter=chosen)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("diversity", [-0.1, 1.5, "much", True])
def test_bad_diversity(model: Recommender, diversity: float) -> None:
    with pytest.raises(DataError, match="diversity lies between 0"):
        model.recommend(NOBODY, 3, diversity=diversity)


def test_diversity_needs_vectors(model: Recommender) -> None:
    with pytest.raises(DataError, match="popularity models have no item vectors to say what is alike"):
        model.recommend(NOBODY, 3, diversity=0.5)


def test_a_diverse_list_trades_relevance_for_unlikeness() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1], [-1, 0]], dtype=np.float32)
    codes, scores = np.array([[0, 1, 2, 3, 4]]), np.array([[5.0, 4.9, 4.8, 4.0, 1.0]], dtype=np.float32)

    def chosen(diversity: float, rules: ItemRules = ItemRules()) -> list[int]:  # noqa: B008
        request = Request(3, rules, Unlikeness(vectors, diversity))
        best, values = request.lists(lambda rows, k: (codes[rows, :k], scores[rows, :k]), 1, 5)
        left = np.isfinite(values[0])
        np.testing.assert_array_equal(values[0, left], scores[0, best[0, left]])
        return [int(code) for code in best[0, left]]

    assert chosen(0.001) == [0, 1, 2]
    assert chosen(0.4) == [0, 3, 1]
    assert chosen(0.9) == [0, 4, 3]
    assert chosen(0.4, ItemRules(caps=(Cap(np.array([0, 0, 0, 0, 1]), 1),))) == [0, 4]


def test_items_left_out_disturb_no_diverse_list() -> None:
    vectors, scores = np.eye(4, dtype=np.float32), np.array([[3.0, 2.0, 1.0, -np.inf]], dtype=np.float32)
    for diversity in (0.5, 1.0):
        with np.errstate(all="raise"):
            nobody = [np.empty(0, dtype=np.int64)]
            unlike = Unlikeness(vectors, diversity)
            best, values = taken(np.arange(4)[None], scores, 4, objective=unlike, histories=nobody)
        assert best[0, :3].tolist() == [0, 1, 2]
        assert np.isneginf(values[0, 3])


def test_what_is_short_at_first_is_looked_for_in_the_whole_catalog() -> None:
    n, asked = 3000, list[int]()
    groups = np.where(np.arange(n) < 2990, 0, np.arange(n))

    def ranked(rows: object, k: int) -> tuple[np.ndarray, np.ndarray]:
        asked.append(k)
        return np.arange(k)[None], -np.arange(k, dtype=np.float32)[None]

    best, _ = Request(3, ItemRules(caps=(Cap(groups, 1),))).lists(ranked, 1, n)
    assert best[0].tolist() == [0, 2990, 2991]
    assert asked == [1000, 3000]
