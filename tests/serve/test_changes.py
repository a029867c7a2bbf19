"""Items come, change and go, and users are forgotten, while a run is served and after it is started again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.serving import NEEDS, Served, served

pytest.importorskip("fastapi", reason=NEEDS)


def put(one: Served, item: str, **columns: object) -> dict[str, object]:
    response = one.client.put(f"/items/{item}", json={"columns": columns})
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


def ids(one: Served, **query: object) -> list[str]:
    return [row["item_id"] for row in one.post("/recommend", **query)["items"]]


def names(one: Served, text: str) -> list[str]:
    return [item["item_id"] for item in one.client.get("/items", params={"query": text}).json()["items"]]


def test_an_item_comes_changes_and_goes(llm_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(llm_run, tmp_path / "run")
    with served(run, tmp_path / "e") as one:
        assert put(one, "new/1", title="A Quiet Zeppelin", year=2026)["created"] is True
        assert "new/1" in ids(one, history=["3"], k=13)
        assert ids(one, history=["3"], filter={"where": ["year = 2026"]}) == ["new/1"]
        assert names(one, "zeppelin") == ["new/1"]
        assert put(one, "new/1", year=1900)["created"] is False
        assert put(one, "3", title="A Loud Balloon")["created"] is False
        assert names(one, "balloon") == ["3"]
        assert ids(one, history=["4"], filter={"where": ["year = 1900"]}) == ["new/1"]
        assert one.client.delete("/items/7").json()["item_id"] == "7"
        listed = ids(one, history=["3", "7"], k=20)
        assert "7" not in listed and len(listed) == 11
        assert names(one, "7") == []
    with served(run, tmp_path / "e") as again:
        assert ids(again, history=["3", "7"], k=20) == listed
        assert names(again, "zeppelin") == ["new/1"]
        assert again.client.delete("/items/7").status_code == 404
        assert put(again, "7", title="Back Again")["created"] is False
        assert "7" in ids(again, history=["3"], k=20)


def test_changes_that_cannot_be_made(gru_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(gru_run, tmp_path / "run")
    with served(run, tmp_path / "e") as one:

        def refused(status: int, item: str, **columns: object) -> str:
            response = one.client.put(f"/items/{item}", json={"columns": columns})
            assert response.status_code == status, response.text
            message: str = response.json()["error"]["message"]
            return message

        assert "has no score for new items such as 'n1'" in refused(422, "n1", title="New")
        assert "items have no column colour to change; they have" in refused(422, "3", colour="red")
        assert "no column item_id" in refused(422, "3", item_id="4")
        assert "the title of '3' is empty" in refused(422, "3", title="")
        assert "changed items" in refused(422, "3", year="soon")
        assert "at least 1 item" in refused(422, "3")
        refused(422, "x" * 600, title="Long")
        assert one.client.delete("/items/nope").status_code == 404
        one.service._reloading = True
        assert "another run is being loaded" in refused(409, "3", title="New")
        one.service._reloading = False
        assert ids(one, history=["3"], k=20) == ids(one, history=["3"], k=20)
    assert not (tmp_path / "run.changes").exists()


def test_a_user_is_forgotten_in_the_run_and_in_the_events(gru_run: Path, tmp_path: Path) -> None:
    shutil.copytree(gru_run, tmp_path / "2026-11")
    run, events = tmp_path / "run", tmp_path / "e"
    run.symlink_to("2026-11")
    with served(run, events) as one:
        one.post("/events", user_id="1", events=[{"item_id": "3", "behavior": "a secret"}])
        one.post("/events", user_id="new", events=[{"item_id": "3"}, {"item_id": "4"}])
        assert b"a secret" in events.read_bytes() + (tmp_path / "e-wal").read_bytes()
        assert one.client.delete("/users/1").json() == {"in_run": True, "events": 1}
        assert one.client.delete("/users/new").json() == {"in_run": False, "events": 2}
        for user in ("1", "new"):
            one.refused("/recommend", 404, user_id=user)
            assert one.client.delete(f"/users/{user}").status_code == 404
        assert one.client.get("/run").json()["users"] == 29
        assert b"a secret" not in events.read_bytes() + (tmp_path / "e-wal").read_bytes()
        assert one.post("/recommend", user_id="2")["items"]
    assert run.is_symlink()  # as docs/deploy.md says to serve one
    with served(run, events) as again:
        again.refused("/recommend", 404, user_id="1")
        assert again.post("/recommend", user_id="2")["items"]
