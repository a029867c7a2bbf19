"""An encoding is one class: a fourth one, from the examples, is fitted, saved, read live and generated with."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.syntax import ROOT

from llmrec import Histories, Recipe, Split, load
from llmrec.errors import RecipeError
from llmrec.evaluation.report.glossary import encoding_meaning
from llmrec.llm.encodings import ENCODINGS, HistoryEncoding, encoding_named, register_encoding
from llmrec.llm.serialize import EMPTY, Serializer
from llmrec.llm.weights import load_tokenizer
from llmrec.models import LLMRecommender
from llmrec.models.llm.item_loss import Losses
from llmrec.training.batching import Batch

# Films come again, within the window of five and after they have left it.
STEPS = ["3", "7", "3", "9", "7", "0", "3", "3"]


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[type[HistoryEncoding]]:
    """What examples/extend/encoding.py registers."""
    example = runpy.run_path(str(ROOT / "examples/extend/encoding.py"))
    encoding: type[HistoryEncoding] = example["TitleOnceEncoding"]
    yield encoding
    del ENCODINGS[encoding.name]


@pytest.fixture(scope="module")
def model(
    tiny_recipe: Callable[..., Recipe], toy_split: Split, registered: type[HistoryEncoding]
) -> LLMRecommender:
    recipe = tiny_recipe("title-once", "train.epochs=2", "train.title_loss=0.5", "history.max_items=5")
    return LLMRecommender(recipe).fit(toy_split.train)


def test_a_title_is_written_once(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_base))
    one = Serializer.build(tokenizer, ["One\n", "Two two\n"], prefix="", encoding=encoding_named("title-once"))
    written = one.write(np.array([[1, 0, 1], [0, 0, -1]]))
    start = len(one.prefix)
    first = np.concatenate([one.prefix, one.item_tokens[1], one.item_tokens[0], [EMPTY]])
    assert written.tokens[0].tolist() == first.tolist()
    assert written.placeholders[0][written.states[0, 1:]].tolist() == [1, 0, 1]
    once = start + len(one.item_tokens[0])
    assert written.states[1].tolist() == [start - 1, once - 1, once, once]


def test_it_is_trained_in_one_pass(model: LLMRecommender) -> None:
    """Every position's loss is that of the shortened history alone, as for the shipped encodings."""
    history = STEPS[:5]
    sequences, network = model.sequences_of(Histories.of([history])), model.encoder.network
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, len(history) - 1]])))
    losses, network.losses = network.losses, Losses()
    with torch.no_grad():
        loss = float(network(**batch))
    network.losses = losses
    each = []
    for n, item in enumerate(history):
        scores = model.score(Histories.of([history[:n]]))[0].astype(np.float64)
        each.append(np.log(np.exp(scores).sum()) - scores[model.catalog.code(item)])
    assert loss == pytest.approx(np.mean(each), abs=1e-4)
    assert model.train_log[1]["loss"] < model.train_log[0]["loss"]


def test_it_is_saved_and_loaded(model: LLMRecommender, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    histories = Histories.of([STEPS, STEPS[:2], []])
    np.testing.assert_array_equal(load(tmp_path / "run").score(histories), model.score(histories))


def test_a_session_reads_it_as_a_full_pass_does(model: LLMRecommender) -> None:
    session = model.session()
    for n, item in enumerate(STEPS, 1):
        session.append(item)
        np.testing.assert_allclose(session.state, model.embed_users(Histories.of([STEPS[:n]]))[0], atol=1e-4)


def test_titles_are_generated_after_it(model: LLMRecommender) -> None:
    histories = Histories.of([STEPS[:3], ["5"]])
    exact, beam = (model.generate(histories, 12, beams=beams) for beams in (None, 12))
    assert beam.drop("score").equals(exact.drop("score"))
    np.testing.assert_allclose(beam["score"], exact["score"], atol=1e-3)


def test_it_is_shown_and_explained(model: LLMRecommender, registered: type[HistoryEncoding]) -> None:
    shown = model.prompt_example(Histories.of([["3", "3"]]))
    title = model.catalog.titles[3]
    assert shown["encoding"] == "title-once"
    assert shown["text"].count(f"[{title}]") == 2
    assert shown["text"].count(title) == 3
    assert encoding_meaning("title-once") == registered.meaning
    assert encoding_meaning("unknown") == "Encoding: unknown."


def test_a_name_is_one_encoding(registered: type[HistoryEncoding]) -> None:
    class Other(registered):  # type: ignore[misc, valid-type]
        pass

    with pytest.raises(RecipeError, match=r"the encoding 'title-once' is .*TitleOnceEncoding already; rename one"):
        register_encoding(Other)
    assert register_encoding(registered) is registered


def test_an_unknown_encoding_is_refused(tiny_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(RecipeError, match=r"no encoding 'hybird'; there are text, soft, hybrid, title-once"):
        LLMRecommender(tiny_recipe("hybird"))
