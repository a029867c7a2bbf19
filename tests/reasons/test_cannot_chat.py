"""A base LLM that cannot chat: the template words the reasons, and a line says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.linear import Linear

import llmrec
from llmrec.data import Histories
from llmrec.errors import ModelError
from llmrec.reasons import LocalNarrator, base_narrator
from llmrec.reasons.pipeline import reason_requests, worded

RECS = {"user_id": ["u", "u"], "item_id": ["f", "d"]}
HISTORIES = Histories.of({"u": ["a", "b"]})


def without_template(base: Path) -> None:
    (base / "chat_template.jinja").unlink()


def with_a_template_that_refuses(base: Path) -> None:
    (base / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [(without_template, "has no chat template"), (with_a_template_that_refuses, "roles must alternate")],
)
def test_by_a_base_that_cannot_chat_the_template_words_it(
    model: Linear,
    tiny_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Path], None],
    reason: str,
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    change(base)
    monkeypatch.setattr(Linear, "narration_base", str(base))
    requests, narrator = reason_requests(model, RECS, HISTORIES), base_narrator(model)
    assert narrator is not None
    reasons = worded(requests, narrator, or_template=True)
    assert [one.sentence for one in reasons] == [request.plain() for request in requests]
    assert {one.backend for one in reasons} == {"template"}
    (said,) = [message for message in caplog.messages if "worded by the template" in message]
    assert reason in said
    with pytest.raises(ModelError, match=reason):  # who asks for an LLM gets no template
        llmrec.explain(model, RECS, HISTORIES, narrator=LocalNarrator(str(base)))
