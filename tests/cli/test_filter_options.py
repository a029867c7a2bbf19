"""``llmrec recommend --filter`` and its like: what they leave, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from llmrec.cli.app import run
from llmrec.config import Recipe
from llmrec.data import Dataset, toy_films
from llmrec.models import from_recipe


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over films with prices and brands."""
    films = toy_films(n_items=12, n_users=30)
    items = films.catalog.table.with_columns(
        price=pl.int_range(12) * 10, brand=pl.concat_str(pl.lit("b"), pl.int_range(12) % 3)
    )
    folder = tmp_path_factory.mktemp("shop") / "run"
    from_recipe(Recipe(model="markov")).fit(Dataset.from_tables(films.events, items=items, name="shop")).save(
        folder
    )
    return folder


def listed(shop: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert run(["recommend", str(shop), "--history", "1,2", "--json", *words]) == 0
    return [row["item_id"] for row in json.loads(capsys.readouterr().out)]


def test_the_options_of_a_filter(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = listed(shop, capsys)
    assert everything[0] == "3"
    assert listed(shop, capsys, "--filter", "price < 70 and brand = b0") == [
        item for item in everything if item in {"0", "3", "6"}
    ]
    assert listed(shop, capsys, "--filter", "price < 70", "--filter", "brand = b1") == ["4"]
    (tmp_path / "some.txt").write_text("4\n7 \n\n", encoding="utf-8")
    assert set(listed(shop, capsys, "--allow", str(tmp_path / "some.txt"))) == {"4", "7"}
    denied = listed(shop, capsys, "--deny", str(tmp_path / "some.txt"))
    assert denied == [item for item in everything if item not in {"4", "7"}]
    capped = listed(shop, capsys, "--at-most", "1 per brand")
    assert sorted(int(item) % 3 for item in capped) == [0, 1, 2]
    assert listed(shop, capsys, "--boost", "1000 where item_id = '9'", "-k", "1") == ["9"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--filter", "prize < 5"], "items have no column prize; they have item_id, title, price, brand"),
        (["--filter", "price > 5000"], "the filter leaves none of 12 items: no item is left by price > 5000"),
        (["--allow", "nowhere.txt"], "--allow nowhere.txt cannot be read: No such file or directory"),
        (["--at-most", "three a brand"], '--at-most "3 per brand"'),
        (["--at-most", "2 per maker"], "items have no column maker"),
        (["--at-most", f"{'9' * 5000} per brand"], "error: --at-most '9999"),
        (["--at-most", "1 per brand", "--at-most", "2 per brand"], "--at-most says brand 2 times; say it once"),
        (["--boost", "1 where price > 5", "--boost", "2 where price > 5"], "--boost says price > 5 2 times"),
        (["--boost", "1 where prize > 5"], "error: boost prize > 5: items have no column prize"),
        (["--boost", "price"], '--boost "0.7 where in_stock"'),
        (["--diversity", "2"], "Invalid value for '--diversity'"),
        (["--diversity", "0.5"], "markov models have no item vectors"),
    ],
)
def test_what_is_refused(shop: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    capsys.readouterr()
    assert run(["recommend", str(shop), "--history", "1,2", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
