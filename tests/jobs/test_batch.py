"""A batch job answers every user once, in whole parts, and goes on where it stopped."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import llmrec
from llmrec import Recipe, Split
from llmrec.data import Histories, toy_films
from llmrec.errors import ArtifactError, DataError, EnvironmentFault, FullDisk, WriteConflict
from llmrec.jobs import Wording, engines
from llmrec.jobs.answers import JobSpec
from llmrec.jobs.user_parts import parts_of, read_part
from llmrec.models import Recommender, StackedRecommender
from llmrec.models.baselines.markov import MarkovRecommender
from llmrec.reasons import NarrationRequest
from llmrec.resources.locks import exclusive

TOY = toy_films(n_items=12, n_users=30)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Markov chain of the toy films, which keeps all histories."""
    model = MarkovRecommender().fit(Split.leave_last_out(TOY).train)
    model.histories = TOY.histories
    path = tmp_path_factory.mktemp("batch") / "run"
    model.save(path)
    return path


def rows(out: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(out.glob("part-*.parquet"))])


def test_every_user_is_answered_once_as_recommend_does(run: Path, tmp_path: Path) -> None:
    done = llmrec.batch(run, tmp_path / "out", k=3, rows_per_part=20)
    assert (done.n_users, done.n_parts, done.written) == (30, 5, 5)
    model = llmrec.load(run)
    assert_frame_equal(rows(tmp_path / "out"), model.recommend(model.histories, 3))
    assert sorted(path.name for path in (tmp_path / "out").iterdir())[0] == "job.json"
    assert json.loads((tmp_path / "out" / "job.json").read_text(encoding="utf-8"))["complete"] is True
    assert len(list((tmp_path / "out").iterdir())) == 6


@pytest.mark.parametrize("users_per_part", [1, 7, 29, 30, 1000])
def test_parts_hold_all_users_whatever_their_size(run: Path, users_per_part: int) -> None:
    path = run / "histories.parquet"
    parts = parts_of(path, users_per_part)
    read = [read_part(path, part) for part in parts]
    assert [len(part) for part in read] == [part.n_users for part in parts]
    assert [user for part in read for user in part.user_ids] == list(TOY.histories.user_ids)
    assert pl.concat([part.events["item_id"] for part in read]).equals(TOY.histories.events["item_id"])


def test_parts_do_not_depend_on_how_the_file_is_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = parts_of(run / "histories.parquet", 4)
    monkeypatch.setattr("llmrec.jobs.user_parts.BATCH_EVENTS", 3)
    assert parts_of(run / "histories.parquet", 4) == whole


def test_it_goes_on_where_it_stopped(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    llmrec.batch(run, whole, k=2, rows_per_part=20)
    answer = MarkovRecommender.recommend
    calls = list[int]()

    def interrupted(model: Recommender, histories: Histories, k: int) -> pl.DataFrame:
        calls.append(len(histories))
        if len(calls) == 2:
            raise KeyboardInterrupt
        if len(calls) == 3:
            (out / ".tmp-late").write_text("half", encoding="utf-8")  # of a worker killed in the middle
        return answer(model, histories, k)

    monkeypatch.setattr(MarkovRecommender, "recommend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        llmrec.batch(run, out, k=2, rows_per_part=20)
    assert [path.name for path in sorted(out.iterdir())] == ["job.json", "part-00000.parquet"]
    (out / ".tmp-abc").write_text("half", encoding="utf-8")  # of a killed process
    assert llmrec.batch(run, out, k=2, rows_per_part=20).written == 2
    assert calls == [10, 10, 10, 10]
    assert not list(out.glob(".tmp-*"))
    assert_frame_equal(rows(out), rows(whole))
    assert llmrec.batch(run, out, k=2, rows_per_part=20).written == 0


def test_another_run_or_argument_is_refused(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    llmrec.batch(run, out, k=2)
    with pytest.raises(ArtifactError, match=r"out holds a batch job with k=2, not 3; .*choose another --out"):
        llmrec.batch(run, out, k=3)
    with pytest.raises(ArtifactError, match="with users=all, not "):
        llmrec.batch(run, out, k=2, users=["1"])
    MarkovRecommender().fit(Split.leave_last_out(toy_films(n_items=8)).train).save(tmp_path / "other")
    with pytest.raises(ArtifactError, match="with run="):
        llmrec.batch(tmp_path / "other", out, k=2)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "letter").write_text("", encoding="utf-8")
    with pytest.raises(ArtifactError, match="papers is there and holds no batch job; name a new folder"):
        llmrec.batch(run, tmp_path / "papers")
    (out / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"job.json is damaged; remove"):
        llmrec.batch(run, out, k=2)


def test_two_jobs_into_one_folder(run: Path, tmp_path: Path) -> None:
    holder = f"""
from pathlib import Path
from llmrec.resources.locks import exclusive
with exclusive(Path({str(tmp_path / "out")!r})):
    print("has it", flush=True)
    input()
"""
    command = [sys.executable, "-c", holder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(WriteConflict, match=f"out is being written by process {process.pid}"):
            llmrec.batch(run, tmp_path / "out")
        process.communicate("\n")
    with exclusive(tmp_path / "out"):
        pass


USERS = {
    "ids.txt": "7\n\n 3 \n11\n3\n",
    "ids.csv": 'name,user_id\nann,7\n"b, c",3\nd,11\n',
    "ids.tsv": "user_id\tname\n3\tann\n7\tb\n11\tc\n",
}


@pytest.mark.parametrize("name", USERS)
def test_only_the_users_of_a_file(name: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text(USERS[name], encoding="utf-8")
    out = tmp_path / "out"
    done = llmrec.batch(run, out, k=2, users=tmp_path / name, rows_per_part=4)
    assert (done.n_users, done.n_parts) == (3, 2)
    model, table = llmrec.load(run), rows(out)
    assert set(table["user_id"]) == {"3", "7", "11"}
    expected = model.recommend(Histories.from_events(TOY.events, users=list(table["user_id"].unique())), 2)
    assert_frame_equal(table, expected, check_row_order=False)
    assert not list(out.glob(".*"))


def test_users_as_numbers_of_a_table(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pl.DataFrame({"user_id": [7, 3, None, 7]}).write_parquet(tmp_path / "ids.parquet")
    with caplog.at_level(logging.WARNING):
        assert llmrec.batch(run, tmp_path / "out", users=tmp_path / "ids.parquet").n_users == 2
    assert "1 ids are there again; each user is answered once" in caplog.text


def test_users_as_a_set(run: Path, tmp_path: Path) -> None:
    assert llmrec.batch(run, tmp_path / "out", users={"7", "3"}).n_users == 2
    with pytest.raises(DataError, match=r"users: 1\.5 is no id"):
        llmrec.batch(run, tmp_path / "new", users=[1.5])


def test_a_k_beyond_the_catalog_makes_no_smaller_parts(run: Path, tmp_path: Path) -> None:
    done = llmrec.batch(run, tmp_path / "out", k=10**6, rows_per_part=120)
    assert done.n_parts == 3  # of ten users, with at most twelve items each


def test_workers_are_counted(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="workers must be at least 1, got 0"):
        llmrec.batch(run, tmp_path / "out", engine="ray", workers=0)


def test_users_that_cannot_be_answered(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 of 3 users have no history in .*run, e.g. 'x'"):
        llmrec.batch(run, tmp_path / "out", users=["7", "x", "y"])
    assert not list(tmp_path.glob("out/part-*"))
    assert (
        llmrec.batch(run, tmp_path / "out", users=["7"]).n_users == 1
    )  # the refused call left nothing in the way
    pl.DataFrame({"id": [7]}).write_csv(tmp_path / "ids.csv")
    with pytest.raises(DataError, match="no column 'user_id' among id"):
        llmrec.batch(run, tmp_path / "new", users=tmp_path / "ids.csv")
    (tmp_path / "none.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"none.txt: it holds no user id"):
        llmrec.batch(run, tmp_path / "new", users=tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"nowhere.txt cannot be read: No such file"):
        llmrec.batch(run, tmp_path / "new", users=tmp_path / "nowhere.txt")


def test_histories_of_other_data(run: Path, tmp_path: Path) -> None:
    other = toy_films(n_items=12, n_users=5, seed=9)
    other.save(tmp_path / "data")
    llmrec.batch(run, tmp_path / "out", data=tmp_path / "data", k=4)
    assert_frame_equal(rows(tmp_path / "out"), llmrec.load(run).recommend(other.histories, 4))
    with pytest.raises(DataError, match="not a prepared data set"):
        llmrec.batch(run, tmp_path / "new", data=run)


def test_a_full_disk_leaves_whole_parts(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, write = tmp_path / "out", pl.DataFrame.write_parquet

    def half_written(table: pl.DataFrame, path: Path) -> None:
        write(table, path)
        if len(list(out.glob("part-*"))) == 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", half_written)
    with pytest.raises(FullDisk, match=f"no space left for {out}: free some, and the same command goes on"):
        llmrec.batch(run, out, k=2, rows_per_part=20)
    assert [path.name for path in sorted(out.iterdir())] == ["job.json", "part-00000.parquet"]
    monkeypatch.undo()
    assert llmrec.batch(run, out, k=2, rows_per_part=20).written == 2


def test_vectors_of_an_llm(tmp_path: Path, tiny_recipe: Callable[..., Recipe], run: Path) -> None:
    split = Split.leave_last_out(TOY)
    model = llmrec.fit(tiny_recipe("soft", "train.epochs=1"), TOY, split, tmp_path / "llm", progress=False)
    llmrec.batch(tmp_path / "llm", tmp_path / "out", job="embed", rows_per_part=20)
    table = rows(tmp_path / "out")
    assert table["user_id"].to_list() == list(TOY.histories.user_ids)
    vectors = model.embed_users(TOY.histories)
    assert vectors is not None
    assert table["vector"].to_numpy() == pytest.approx(vectors, abs=1e-5)
    with pytest.raises(DataError, match="markov models have no vectors of users; llm, gru, als and text have"):
        llmrec.batch(run, tmp_path / "none", job="embed")
    assert not (tmp_path / "none").exists()


def test_vectors_of_a_network(gru_with: Callable[..., Recipe], tmp_path: Path) -> None:
    split = Split.leave_last_out(TOY)
    model = llmrec.fit(gru_with(epochs=1), TOY, split, tmp_path / "gru", progress=False)
    llmrec.batch(tmp_path / "gru", tmp_path / "out", job="embed", users=["3", "7"])
    table = rows(tmp_path / "out")
    expected = model.embed_users(Histories.from_events(TOY.events, users=table["user_id"].to_list()))
    assert table["vector"].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_vectors_for_unknown_items_are_said(
    gru_with: Callable[..., Recipe], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    llmrec.fit(gru_with(epochs=1), TOY, Split.leave_last_out(TOY), tmp_path / "gru", progress=False)
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["3", "x"], "timestamp": [1, 2]})
    llmrec.Dataset.from_tables(events, name="other").save(tmp_path / "data")
    llmrec.batch(tmp_path / "gru", tmp_path / "out", job="embed", data=tmp_path / "data")
    assert "1 of 2 items in these histories are not in the catalog and passed over, e.g. 'x'" in caplog.text


def test_a_stack_s_members_are_loaded_without_users(gru_with: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "gru.yaml").write_text(gru_with(epochs=1).to_yaml(), encoding="utf-8")
    members = [str(tmp_path / "gru.yaml"), "markov"]
    stack = Recipe.of({"name": "two", "model": "stacked", "stack": {"members": members}})
    llmrec.fit(stack, TOY, Split.leave_last_out(TOY), tmp_path / "stack", progress=False)
    loaded = llmrec.models.load(tmp_path / "stack", histories=False)
    assert isinstance(loaded, StackedRecommender)
    assert [len(member.histories) for member in (loaded, *loaded.members)] == [0, 0, 0]
    llmrec.batch(tmp_path / "stack", tmp_path / "out", k=3)
    assert_frame_equal(rows(tmp_path / "out"), llmrec.load(tmp_path / "stack").recommend(TOY.histories, 3))


def test_the_run_s_histories_are_read_in_parts_only(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = llmrec.models.load(run, histories=False)
    assert len(loaded.histories) == 0
    work = engines.Work(run, (), run / "histories.parquet", run, JobSpec("recommend"))
    assert len(engines.Worker(work).model.histories) == 0


class Silent:
    """A server that is down."""

    backend = "endpoint"

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        return [None for _ in requests]


def test_reasons(run: Path, tmp_path: Path) -> None:
    users = ["1", "2", "3"]
    llmrec.batch(run, tmp_path / "out", job="explain", k=2, users=users, rows_per_part=4)
    table, model = rows(tmp_path / "out"), llmrec.load(run)
    histories = Histories.from_events(TOY.events, users=list(table["user_id"].unique(maintain_order=True)))
    expected = llmrec.explain(model, model.recommend(histories, 2), histories).table
    assert_frame_equal(table, expected)
    silent = Wording("http://nowhere/v1", narrator=lambda _: Silent())
    with pytest.raises(EnvironmentFault, match=r"gave no answer for 2 of 2 reasons: this part is not written"):
        llmrec.batch(run, tmp_path / "down", job="explain", k=2, users=users, rows_per_part=4, wording=silent)
    assert not list(tmp_path.glob("down/part-*"))
