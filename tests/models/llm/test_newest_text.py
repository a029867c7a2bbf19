"""Histories of vectors whose newest items alone are written in words, too (``history.text_items``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llmrec import Histories, Recipe, Split, load
from llmrec.errors import PromptError, RecipeError
from llmrec.llm.encodings import NewestTextEncoding
from llmrec.llm.serialize import EMPTY, Serializer
from llmrec.llm.weights import load_tokenizer
from llmrec.models import LLMRecommender
from llmrec.training.plan import plan

MakeRecipe = Callable[..., Recipe]
TEXTS = ["One\n", "Two two\n", "\n"]
NEWEST = ("history.text_items=2", "history.max_items=5", "train.epochs=1")
STEPS = ["3", "7", "3", "9", "7", "0", "3"]


@pytest.fixture(scope="module")
def serializer(tiny_base: Path) -> Serializer:
    tokenizer = load_tokenizer(str(tiny_base))
    return Serializer.build(tokenizer, TEXTS, prefix="Seen:\n", encoding=NewestTextEncoding(2))


@pytest.fixture(scope="module")
def model(tiny_recipe: MakeRecipe, toy_split: Split) -> LLMRecommender:
    return LLMRecommender(tiny_recipe("hybrid", *NEWEST)).fit(toy_split.train)


def test_the_newest_two_are_words_and_vectors_all_before_are_vectors(serializer: Serializer) -> None:
    written = serializer.write(np.array([[0, 1, 1, 0], [1, 2, -1, -1]]))
    start, lengths = len(serializer.prefix), serializer.item_tokens.lengths
    expected = [*serializer.prefix, EMPTY, EMPTY, *serializer.item_tokens[1], *serializer.item_tokens[0]]
    assert written.tokens[0].tolist() == expected
    ends = start - 1 + np.cumsum([1, 1, lengths[1], lengths[0]])
    assert written.states[0].tolist() == [start - 1, *ends]
    assert np.flatnonzero(written.placeholders[0] >= 0).tolist() == ends.tolist()
    assert written.placeholders[0][ends].tolist() == [0, 1, 1, 0]
    wordless = start - 1 + lengths[1] + 1  # an item without words is its vector
    assert written.states[1, 1:].tolist() == [wordless - 1, wordless, wordless, wordless]
    assert written.tokens[1, wordless] == EMPTY
    assert written.placeholders[1, wordless] == 2


def test_batches_and_windows_count_the_positions_that_are_written(model: LLMRecommender, toy_split: Split) -> None:
    encoder = model.encoder
    sequences = model.sequences_of(toy_split.train.histories)
    batches = plan(
        sequences,
        costs=encoder.serializer.sizes(sequences),
        epochs=1,
        max_items=5,
        max_tokens=encoder.max_tokens,
        batch_tokens=200,
        overhead=len(encoder.serializer.prefix),
        newest=encoder.serializer.newest_costs(sequences),
    )
    for batch in batches.epoch(0):
        states = encoder.collate(sequences, batch)["states"].numpy()
        assert batch.sizes is not None
        assert batch.sizes.tolist() == (states[:, -1] + 1).tolist()
    windows = encoder.windows(model.sequences_of(Histories.of([STEPS, STEPS[:1], []])))
    for row, steps in enumerate((STEPS[-5:], STEPS[:1], [])):
        written = encoder.serializer.write(
            np.array([[model.catalog.code(item) for item in steps]], dtype=np.int64)
        )
        assert windows.n_positions[row] == written.n_tokens


def test_what_does_not_fit_is_left_out(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    model = LLMRecommender(tiny_recipe("hybrid", *NEWEST)).fit(toy_split.train)
    encoder = model.encoder
    whole = int(encoder.windows(model.sequences_of(Histories.of([STEPS]))).n_positions[0])
    encoder.max_tokens = whole - 1  # one item of the five, a vector alone, is too many
    windows = encoder.windows(model.sequences_of(Histories.of([STEPS])))
    assert windows.sequences.lengths().tolist() == [4]
    encoder.max_tokens = encoder.serializer.overhead
    with pytest.raises(PromptError, match=r"of its 2 newest items take up to .* lower history.text_items"):
        encoder.check_room(for_training=True)


def test_a_long_new_item_takes_no_room_of_histories_without_it(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    model = LLMRecommender(tiny_recipe("hybrid", *NEWEST, "history.max_tokens=120")).fit(toy_split.train)
    before = model.score(Histories.of([STEPS]))
    new = dict.fromkeys(model.catalog.table.columns, "x") | {"item_id": "new", "title": "long " * 40}
    model.add_items([{name: value for name, value in new.items() if name in ("item_id", "title")}])
    encoder = model.encoder
    assert encoder.serializer.overhead > encoder.max_tokens
    np.testing.assert_allclose(model.score(Histories.of([STEPS]))[:, :-1], before, atol=1e-5)
    session = model.session(STEPS[:2])
    for step in ("new", "3", "7", "9"):
        session.append(step)
        history = Histories.of([session.history])
        np.testing.assert_allclose(session.state, model.embed_users(history)[0], atol=1e-4)
        assert encoder.windows(model.sequences_of(history)).n_positions[0] <= encoder.max_tokens


def test_it_is_saved_and_loaded_and_batches_do_not_matter(model: LLMRecommender, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    histories = Histories.of([STEPS, STEPS[:2], []])
    scores = load(tmp_path / "run").score(histories)
    np.testing.assert_array_equal(scores, model.score(histories))
    for row, steps in enumerate((STEPS, STEPS[:2], [])):
        np.testing.assert_allclose(model.score(Histories.of([steps]))[0], scores[row], atol=1e-4)


def test_a_session_equals_the_full_pass_after_every_event(model: LLMRecommender) -> None:
    session = model.session(STEPS[:2])
    for n in range(3, len(STEPS) + 1):
        session.append(STEPS[n - 1])
        np.testing.assert_allclose(session.state, model.embed_users(Histories.of([STEPS[:n]]))[0], atol=1e-4)


def test_a_report_shows_vectors_and_the_newest_words(model: LLMRecommender) -> None:
    example = model.prompt_example(Histories.of([["3", "7", "9"]]))
    titles = [model.catalog.titles[model.catalog.code(item)] for item in ("3", "7", "9")]
    assert [example["text"].count(f"[{title}]") for title in titles] == [1, 1, 1]
    assert [example["text"].count(title) for title in titles] == [1, 2, 2]
    assert "the newest ones are also written out in words" in example["meaning"]
    assert example["upper_tokens"] is None


@pytest.mark.parametrize(
    ("encoding", "changes", "message"),
    [
        (
            "soft",
            [],
            r"history.text_items=2: in the encoding 'soft' all items are alike; set history.encoding=hybrid",
        ),
        (
            "hybrid",
            ["history.local_blocks=1"],
            r"history.text_items=2 and history.local_blocks=1 do not go together",
        ),
        ("hybrid", ["train.title_loss=0.5"], r"writes no titles to learn"),
    ],
)
def test_what_does_not_go_together_is_refused(
    encoding: str, changes: list[str], message: str, tiny_recipe: MakeRecipe
) -> None:
    with pytest.raises(RecipeError, match=message):
        LLMRecommender(tiny_recipe(encoding, *NEWEST, *changes))
