"""What the peer that trains on one prompt a target is trained on: nobody's own items are called wrong."""

from __future__ import annotations

from eval.experiments.sample_per_target import examples
from llmrec import Split
from llmrec.data import toy_films
from llmrec.llm.candidate_scoring import LETTERS
from llmrec.models import PromptRanking


def test_the_letter_is_that_of_what_came_next() -> None:
    split = Split.leave_last_out(toy_films(n_items=60, n_users=40))
    model = PromptRanking(max_items=20)
    model.fit(split.train)
    titles = dict(zip(split.train.catalog.titles, split.train.catalog.ids, strict=True))
    users = split.train.histories
    right = 0
    for prompt, completion in examples(model, split.train, 30).iter_rows():
        lines = prompt[-1]["content"].splitlines()
        history = [titles[line[2:]] for line in lines if line.startswith("- ")]
        candidates = {line[0]: titles[line[3:]] for line in lines if line[1:3] == ": " and line[0] in LETTERS}
        assert len(candidates) == 20
        target = candidates.pop(completion[0]["content"])
        # Whoever chose so, and has none of the wrong ones anywhere in training.
        histories = [
            users.events["item_id"][a:b].to_list() for a, b in zip(users.offsets, users.offsets[1:], strict=False)
        ]
        right += any(
            [*history, target] == items[at - len(history) : at + 1] and not set(items) & set(candidates.values())
            for items in histories
            for at in range(len(history), len(items))
        )
    assert right == 30
