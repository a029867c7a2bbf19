"""What the peer that learns one prompt a target is taught by: nobody's own items are called wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec import Split
from llmrec.data import toy_films
from llmrec.llm.candidate_scoring import LETTERS
from llmrec.models import PromptRanking

EVAL = Path(__file__).resolve().parents[2] / "eval"


def test_the_letter_is_that_of_what_came_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EVAL.parent))
    from eval.experiments import sample_per_target

    split = Split.leave_last_out(toy_films(n_items=60, n_users=40))
    model = PromptRanking(max_items=20)
    model.fit(split.train)
    lessons = sample_per_target.lessons(model, split.train, 30)
    titles = dict(zip(split.train.catalog.titles, split.train.catalog.ids, strict=True))
    users = split.train.histories
    found = 0
    for prompt, completion in lessons.iter_rows():
        lines = prompt[-1]["content"].splitlines()
        known = [titles[line[2:]] for line in lines if line.startswith("- ")]
        listed = {line[0]: titles[line[3:]] for line in lines if line[1:3] == ": " and line[0] in LETTERS}
        assert len(listed) == 20
        right = listed.pop(completion[0]["content"])
        # Whoever chose so, and has none of the wrong ones anywhere in training.
        histories = [
            users.events["item_id"][a:b].to_list() for a, b in zip(users.offsets, users.offsets[1:], strict=False)
        ]
        found += any(
            [*known, right] == items[at - len(known) : at + 1] and not set(items) & set(listed.values())
            for items in histories
            for at in range(len(known), len(items))
        )
    assert found == 30
