"""Runs go to a hub without the people they know, and come back as they were; the hub is a folder here."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import polars as pl
import pytest

import llmrec
from llmrec import Recipe, Split
from llmrec.data import Histories
from llmrec.errors import ArtifactError, DataError, EnvironmentFault
from llmrec.models import from_pretrained, push_to_hub
from llmrec.models.runs import change_items

COMMIT = "3f" * 20


class FolderHub:
    """A hub in a folder: repositories by name, each with one commit, whose files are links to others."""

    def __init__(self, root: Path) -> None:
        self.root, self.private = root, dict[str, bool]()

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> str:
        assert exist_ok
        if repo_id == "nobody/refused":
            raise OSError("401: log in\nmore of it")
        self.private.setdefault(repo_id, private)
        return f"https://hub.test/{repo_id}"

    def repo_info(self, repo_id: str) -> Any:
        files = [path.name for path in (self.root / "blobs" / repo_id).glob("*")]
        return SimpleNamespace(
            private=self.private[repo_id], siblings=[SimpleNamespace(rfilename=name) for name in files]
        )

    def upload_folder(self, *, repo_id: str, folder_path: Path, **_: object) -> None:
        shutil.copytree(folder_path, self.root / "blobs" / repo_id)
        (self.root / "blobs" / repo_id / ".gitattributes").write_text("* text=auto", encoding="utf-8")

    def download(self, repo_id: str, **_: object) -> str:
        blobs, snapshot = self.root / "blobs" / repo_id, self.root / "snapshots" / repo_id / COMMIT
        if not blobs.exists():
            raise OSError("404: no such repository")
        for path in blobs.rglob("*"):
            link = snapshot / path.relative_to(blobs)
            link.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and not link.exists():
                link.symlink_to(path)
        return str(snapshot)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderHub:
    made = FolderHub(tmp_path / "hub")

    def api(token: str | None) -> Any:
        assert token in {None, "secret"}
        return made

    monkeypatch.setattr(huggingface_hub, "HfApi", api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.download)
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    return made


@pytest.fixture(scope="module")
def run(toy_split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "run"
    llmrec.fit(Recipe(model="markov"), toy_split.data, toy_split, folder, progress=False)
    return folder


def test_a_run_comes_back_without_its_people(run: Path, hub: FolderHub) -> None:
    assert push_to_hub(run, "ann/films", token="secret") == "https://hub.test/ann/films"
    assert hub.private == {"ann/films": True}
    fetched, here = from_pretrained("ann/films"), llmrec.load(run)
    assert len(fetched.histories) == 0 < len(here.histories)
    histories = Histories.of({"new": ["3", "4"]})
    assert fetched.recommend(histories, 5).equals(here.recommend(histories, 5))
    card = (hub.root / "blobs/ann/films/README.md").read_text(encoding="utf-8")
    assert card == (run / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\ntags: [recommendation, llmrec]\n---\n")
    shutil.rmtree(hub.root / "blobs/ann/films/split")  # it is not fetched again
    assert from_pretrained("ann/films").kind == "markov"


def test_people_go_along_where_that_is_said(run: Path, hub: FolderHub) -> None:
    push_to_hub(run, "ann/films", users=True, private=False)
    assert hub.private == {"ann/films": False}
    assert from_pretrained("ann/films").histories.user_ids == llmrec.load(run).histories.user_ids
    assert from_pretrained(run).kind == "markov"


def test_what_cannot_be_pushed_or_fetched(run: Path, hub: FolderHub, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'films' is no name of a hub's repository: give OWNER/NAME"):
        push_to_hub(run, "films")
    with pytest.raises(EnvironmentFault, match=r"nobody/refused was not pushed: 401: log in$"):
        push_to_hub(run, "nobody/refused")
    with pytest.raises(ArtifactError, match="there is no run"):
        push_to_hub(tmp_path / "nothing", "ann/films")
    with pytest.raises(ArtifactError, match=r"no run bob/films here, and no hub in reach has one .404: no such"):
        from_pretrained("bob/films")
    changed = shutil.copytree(run, tmp_path / "run")
    change_items(changed, "remove", pl.DataFrame({"item_id": ["3"]}))
    with pytest.raises(ArtifactError, match=r"run\.changes holds changes of items .* save it as another one"):
        push_to_hub(changed, "ann/films")
    assert not hub.root.exists()


def test_a_repository_that_was_there_before(run: Path, hub: FolderHub) -> None:
    hub.private |= {"ann/open": False, "ann/bert": True}
    with pytest.raises(DataError, match="ann/open is public already, and users=True sends people's events"):
        push_to_hub(run, "ann/open", users=True)
    assert not hub.root.exists()
    push_to_hub(run, "ann/open")
    other = hub.root / "blobs/ann/bert/pytorch_model.bin"
    other.parent.mkdir()
    other.write_bytes(b"of another model")
    with pytest.raises(
        DataError, match="ann/bert holds other files, which a run would replace: give another name"
    ):
        push_to_hub(run, "ann/bert")
    assert [path.name for path in other.parent.iterdir()] == [other.name]


def test_a_tampered_repository_is_refused(run: Path, hub: FolderHub) -> None:
    push_to_hub(run, "ann/films")
    pl.DataFrame({"item_id": ["1"]}).write_parquet(hub.root / "blobs/ann/films/items.parquet")
    with pytest.raises(ArtifactError, match=r"items\.parquet is damaged .its sha256 changed"):
        from_pretrained("ann/films")
