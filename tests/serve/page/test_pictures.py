"""The pictures of the documentation can be taken: of the page with a list, small, of the right size."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from support.browser import Browser

from eval import pictures


@pytest.mark.slow
def test_a_picture_of_the_page(
    browser: Browser, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "PICTURES", (pictures.Picture("small", 600, 500, chinese=True),))
    pictures.main([str(runs / "gru"), "--out", str(tmp_path), "--history", "Film 03", "Film 04"])
    content = (tmp_path / "small.png").read_bytes()
    assert struct.unpack(">II", content[16:24]) == (600, 500)
    assert 5_000 < len(content) < 150_000


def test_committed_pictures_are_small() -> None:
    files = {file.stem: file.stat().st_size for file in pictures.FOLDER.glob("page-*.png")}
    assert set(files) == {picture.name for picture in pictures.PICTURES}
    assert max(files.values()) < 150_000
