"""``llmrec recommend`` for several people, and for all into one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import llmrec
from llmrec import Filter, Recipe
from llmrec.cli.app import run
from llmrec.cli.recommend import _show
from llmrec.data import Dataset, Histories, toy_films
from llmrec.errors import ArtifactError, DataError
from llmrec.jobs import recommend_into
from llmrec.models import Recommender, from_recipe
from llmrec.models.baselines.markov import MarkovRecommender


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over films with brands."""
    toy = toy_films(n_items=12, n_users=30)
    items = toy.catalog.table.with_columns(brand=pl.concat_str(pl.lit("b"), pl.int_range(12) % 3))
    path = tmp_path_factory.mktemp("films") / "markov"
    from_recipe(Recipe(model="markov")).fit(Dataset.from_tables(toy.events, items=items)).save(path)
    return path


def call(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> str:
    capsys.readouterr()
    assert run([*map(str, words)]) == code
    printed = capsys.readouterr()
    return printed.out if code == 0 else printed.err


def read(path: Path) -> pl.DataFrame:
    text: Any = {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32, "score": pl.Float32}
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    table = pl.read_csv(path, schema_overrides=text) if path.suffix == ".csv" else pl.read_ndjson(path)
    return table.cast(text)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_all_users_in_one_file(
    suffix: str, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"recs{suffix}"
    rules = ["--filter", "brand = b1", "--include-seen"]
    assert call(capsys, "recommend", films, "--all", "--out", out, "-k", "3", *rules) == (
        f"{out}: recommendations for 30 users\n"
    )
    model = llmrec.load(films)
    expected = model.recommend(model.histories, 3, exclude_seen=False, filter=Filter("brand = b1"))
    expected = expected.join(model.catalog.table, on="item_id", how="left", maintain_order="left")
    columns = ["user_id", "rank", "item_id", "title", "score"]
    assert read(out).columns == columns
    assert_frame_equal(read(out), expected.select(columns))
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_users_of_a_file(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "users.txt").write_text("4\n2\n", encoding="utf-8")
    words = ("recommend", films, "--users", tmp_path / "users.txt", "-k", "2")
    call(capsys, *words, "--out", tmp_path / "recs.csv")
    assert set(read(tmp_path / "recs.csv")["user_id"]) == {"2", "4"}
    rows = json.loads(call(capsys, *words, "--json"))
    assert [row["user_id"] for row in rows] == ["4", "4", "2", "2"]
    again = json.loads(call(capsys, "recommend", films, "--user", "4", "--user", "2", "-k", "2", "--json"))
    assert again == rows
    (tmp_path / "one.txt").write_text("4\n", encoding="utf-8")
    rows = json.loads(call(capsys, "recommend", films, "--users", tmp_path / "one.txt", "--json"))
    assert {row["user_id"] for row in rows} == {"4"}  # of a file of one user as of a file of two


def test_nothing_by_half_stands_in_the_file(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, answer, calls = tmp_path / "recs.csv", MarkovRecommender.recommend, list[int]()

    def interrupted(model: Recommender, histories: Histories, k: int) -> pl.DataFrame:
        calls.append(len(histories))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return answer(model, histories, k)

    monkeypatch.setattr(MarkovRecommender, "recommend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recommend_into(films, out, k=2, rows_per_part=20)
    assert [path.name for path in tmp_path.iterdir()] == ["recs.csv.parts"]
    assert recommend_into(films, out, k=2, rows_per_part=20).written == 2
    assert calls == [10, 10, 10, 10]
    assert read(out)["user_id"].n_unique() == 30
    assert [path.name for path in tmp_path.iterdir()] == ["recs.csv"]
    with pytest.raises(ArtifactError, match=r"recs.csv is there; name another --out, or remove it"):
        recommend_into(films, out)


REFUSED = {
    "--all needs --out FILE": ["--all"],
    "say whose history: --user ID, --history": ["--all", "--user", "1", "--out", "recs.csv"],
    "name a file that ends in .parquet, .csv or .jsonl": ["--all", "--out", "recs.txt"],
    "leave out --history": ["--history", "1,2", "--out", "recs.csv"],
    "--explain is of printed lists": ["--all", "--explain", "--out", "recs.csv"],
    "--json is of printed lists": ["--all", "--json", "--out", "recs.csv"],
    "users have no history in": ["--user", "999", "--out", "recs.csv"],
    "user '999' is not among the 30 users of these histories": ["--user", "1", "--user", "999"],
    "items have no column prize": ["--all", "--filter", "prize < 5", "--out", "recs.csv"],
    "markov models have no item vectors": ["--all", "--diversity", "0.5", "--out", "recs.csv"],
    "users.txt cannot be read": ["--users", "users.txt"],
    "--language is of reasons: add --explain": ["--user", "1", "--language", "zh"],
    "--tone is of reasons: add --explain": ["--all", "--out", "recs.csv", "--tone", "warm"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(
    message: str, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = call(capsys, "recommend", films.resolve(), *REFUSED[message], code=2)
    assert message in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_reasons_stand_below_the_list(films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = call(capsys, "recommend", films, "--history", "1,2", "-k", "2", "--explain").splitlines()
    assert lines[0].split() == ["item_id", "rank", "score", "title"]
    assert lines[4].startswith("1. Film 03")
    assert lines[4].endswith(".")
    assert '"Film 02' in lines[4]
    several = call(capsys, "recommend", films, "--user", "1", "--user", "2", "-k", "1", "--explain").splitlines()
    assert [line[:4] for line in several[-3::2]] == ["1 1.", "2 1."]


def test_reasons_of_one_theme_stand_under_it(capsys: pytest.CaptureFixture[str]) -> None:
    themes = ["From A", "From B", "From A"]
    columns = {"user_id": ["u"] * 3, "rank": [1, 2, 3], "title": ["x", "y", "z"], "reason": ["r."] * 3}
    table = pl.DataFrame(columns | {"backend": ["template"] * 3, "theme": themes})
    _show(table, several=False, as_json=False)
    lines = [line for line in capsys.readouterr().out.splitlines()[4:] if line]
    assert lines == ["From A", "1. x: r.", "3. z: r.", "Also for you", "2. y: r."]


def test_batch_takes_the_filter_too(films: Path, tmp_path: Path) -> None:
    done = llmrec.batch(films, tmp_path / "out", k=3, filter=Filter(deny=["5"]), exclude_seen=False)
    model = llmrec.load(films)
    rows = pl.read_parquet(done.folder / "part-00000.parquet")
    assert_frame_equal(rows, model.recommend(model.histories, 3, filter=Filter(deny=["5"]), exclude_seen=False))
    llmrec.batch(films, tmp_path / "out", k=3, filter=Filter(deny=[5]), exclude_seen=False)
    with pytest.raises(ArtifactError, match="with filter="):
        llmrec.batch(films, tmp_path / "out", k=3, filter=Filter(deny=["6"]), exclude_seen=False)
    with pytest.raises(DataError, match="the job embed makes no lists: leave out filter"):
        llmrec.batch(films, tmp_path / "new", job="embed", filter=Filter(deny=["6"]))
    with pytest.raises(DataError, match="exclude_seen is True, False or None, not 'yes'"):
        llmrec.batch(films, tmp_path / "new", exclude_seen="yes")  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["item-knn", "ease", "linear", "markov"])
def test_similar_items_by_the_weights_of_items(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = from_recipe(Recipe(model=kind)).fit(toy_films(n_items=12, n_users=30))
    model.save(tmp_path / "run")
    rows = json.loads(call(capsys, "similar", tmp_path / "run", "--item", "3", "-k", "3", "--json"))
    assert rows[0]["item_id"] == "4"  # what follows, always
    assert model.similar_items("3")["similar_id"][0] == model.similar_items([3])["similar_id"][0] == "4"
    scores = model.score(Histories.of([["3"]]))[0]
    assert scores.argmax() == model.catalog.code("4")
    words = ("similar", tmp_path / "run", "--item", "3", "--filter", "item_id <> '4'", "--json")
    assert "4" not in {row["item_id"] for row in json.loads(call(capsys, *words))}
