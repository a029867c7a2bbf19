"""Generation: the beam against the exact ranking, the exact ranking against the language model itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support.tiny_base import build_tiny_base

from llmrec import Dataset, Histories, Recipe, Split
from llmrec.data import Sequences, toy_films
from llmrec.errors import DataError, ModelError, PromptError
from llmrec.llm.decode import check_head
from llmrec.llm.ragged import RaggedTokens
from llmrec.models import GenerativeRanking, LLMRecommender
from llmrec.models.llm.title_generation import Hypotheses, TitleGenerator, best_of_each_row
from llmrec.models.llm.trie import TitleTrie

HISTORIES = Histories.of([["3", "4"], [], ["0", "1", "2", "5", "7"], ["no such item"], ["6"]])


@pytest.fixture(scope="module", params=["text", "hybrid"])
def model(request: pytest.FixtureRequest, tiny_recipe: Callable[..., Recipe]) -> LLMRecommender:
    """Trained a little on toy films, the last three of which have one title."""
    toy_data = toy_films(n_items=12, n_users=12)
    shared = pl.when(pl.int_range(pl.len()) >= 9).then(pl.lit("One: Title")).otherwise(pl.col("title"))
    items = toy_data.catalog.table.with_columns(title=shared)
    data = Dataset.from_tables(toy_data.events, items=items, name="toy", keep_unseen_items=True)
    recipe = tiny_recipe(request.param, "train.epochs=1", "train.title_loss=1.0", "history.max_items=4")
    return LLMRecommender(recipe).fit(data)


def sequences_of(model: LLMRecommender, histories: Histories) -> Sequences:
    return Sequences.encode(histories, model.catalog)


def test_exact_is_the_language_model_s_choice_wherever_texts_part(model: LLMRecommender) -> None:
    scores = TitleGenerator(model.encoder).exact(sequences_of(model, HISTORIES))
    network, serializer = model.encoder.network, model.encoder.serializer
    window = model.encoder.windows(sequences_of(model, HISTORIES)).sequences
    lines = [serializer.item_tokens[code].tolist() for code in range(12)]
    for row in (0, 1, 2):
        for code in (0, 7, 11):
            written = serializer.write(np.append(window[row], code)[None].astype(np.int64))
            start = int(written.states[0, -2]) + 1
            with torch.inference_mode():
                states = network.hidden(
                    torch.from_numpy(written.tokens), torch.from_numpy(written.placeholders), network.items()
                )[0, start - 1 : -1]
                logits = network.model.get_output_embeddings()(states).double()
            by_hand = 0.0
            for n, token in enumerate(lines[code]):
                choices = sorted({line[n] for line in lines if line[:n] == lines[code][:n]})
                by_hand += float(logits[n, choices].log_softmax(0)[choices.index(token)])
            assert scores[row, code] == pytest.approx(by_hand, abs=1e-2)
    np.testing.assert_array_equal(scores[:, 9], scores[:, 11])  # one title, one probability
    assert np.exp(scores[:, :10]).sum(axis=1) == pytest.approx(1, abs=1e-3)  # of all titles


@pytest.mark.parametrize("lines", [[[5, 6, 9]], [[5, 6, 9]] * 2, [[5, 9], [5, 6, 9], [5, 6, 7, 9], [8, 9]]])
def test_one_text_and_texts_that_begin_others(model: LLMRecommender, lines: list[list[int]]) -> None:
    generator, sequences = TitleGenerator(model.encoder), sequences_of(model, HISTORIES)
    vars(generator)["trie"] = TitleTrie.build(RaggedTokens.of(lines))
    exact = generator.exact(sequences)
    codes, scores = generator.best(
        sequences, len(lines), allowed=np.ones((len(sequences), len(lines)), dtype=bool)
    )
    np.testing.assert_allclose(scores, np.take_along_axis(exact, codes, axis=1), atol=1e-4)
    assert np.sort(codes, axis=1).tolist() == [list(range(len(lines)))] * len(sequences)
    n_texts = len({tuple(line) for line in lines})
    assert np.exp(exact[:, :n_texts]).sum(axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_beam_as_wide_as_the_catalog_is_exact(model: LLMRecommender, exclude_seen: bool) -> None:
    exact = model.generate(HISTORIES, 12, beams=None, exclude_seen=exclude_seen)
    beam = model.generate(HISTORIES, 12, beams=12, exclude_seen=exclude_seen)
    assert beam.schema == exact.schema
    assert beam.drop("score").equals(exact.drop("score"))
    np.testing.assert_allclose(beam["score"], exact["score"], atol=1e-3)


def test_the_batch_and_its_padding_change_nothing(model: LLMRecommender) -> None:
    together = model.generate(HISTORIES, 5, beams=6)
    alone = pl.concat([model.generate(HISTORIES.take([n]), 5, beams=6) for n in range(len(HISTORIES))])
    assert together.drop("score").equals(alone.drop("score"))
    np.testing.assert_allclose(together["score"], alone["score"], atol=1e-3)


def test_a_narrow_beam_still_answers_with_as_many_real_items(model: LLMRecommender) -> None:
    recs = model.generate(HISTORIES, 4, beams=1)
    exact = model.generate(HISTORIES, 12, beams=None)
    assert recs.group_by("user_id", maintain_order=True).len()["len"].to_list() == [4] * len(HISTORIES)
    joined = recs.join(exact, on=["user_id", "item_id"], suffix="_exact")
    assert joined.height == recs.height  # unseen items of the catalog, at their true probability
    np.testing.assert_allclose(joined["score"], joined["score_exact"], atol=1e-3)
    assert model.generate(Histories.of([]), 4).is_empty()


def test_an_unseen_item_comes_out_though_its_title_was_seen(model: LLMRecommender) -> None:
    recs = model.generate(Histories.of([["9", "11"]]), 12, beams=12)
    assert recs["item_id"].n_unique() == 10
    assert "10" in recs["item_id"].to_list()
    assert not {"9", "11"} & set(recs["item_id"])


def test_candidates_are_ranked_exactly(model: LLMRecommender) -> None:
    candidates = {"0": ["1", "3", "8", "8", "no such item"], "2": ["11", "9"], "4": []}
    recs = model.generate(HISTORIES, 10, beams=1, candidates=candidates)
    exact = model.generate(HISTORIES, 12, beams=None)
    kept = exact.filter(
        pl.struct("user_id", "item_id").is_in(
            [{"user_id": u, "item_id": i} for u, ids in candidates.items() for i in ids]
        )
    )
    assert recs.select("user_id", "item_id").equals(kept.select("user_id", "item_id"))
    assert set(recs["user_id"]) == {"0", "2"}


def test_the_best_of_each_row_in_order() -> None:
    rows, nodes = np.array([1, 0, 1, 0, 1]), np.array([5, 6, 4, 7, 8])
    scores = np.array([-1.0, -3.0, -1.0, -2.0, -0.5])
    assert best_of_each_row(Hypotheses(rows, nodes, scores), 2).tolist() == [3, 1, 4, 2]


@pytest.mark.parametrize("encoding", ["soft", "text"])
def test_a_model_without_title_loss_is_refused(tiny_recipe: Callable[..., Recipe], encoding: str) -> None:
    recipe = tiny_recipe(encoding, "train.epochs=1", "train.title_loss=0")
    model = LLMRecommender(recipe).fit(toy_films(n_items=4, n_users=2, length=4))
    with pytest.raises(ModelError, match=r"not trained to write titles.* train.title_loss above 0"):
        model.generate(HISTORIES)


def test_no_beams_are_refused(model: LLMRecommender) -> None:
    with pytest.raises(DataError, match="beams must be at least 1, got 0"):
        GenerativeRanking(model, beams=0)


def test_a_head_that_does_more_is_refused(model: LLMRecommender) -> None:
    causal: Any = model.encoder.network.model.get_base_model()
    with altered(causal.lm_head), pytest.raises(ModelError, match="a llama model's head is not one"):
        check_head(model.encoder.network.model)
    check_head(model.encoder.network.model)


@contextmanager
def altered(head: torch.nn.Module) -> Iterator[None]:
    """Let the model's own forward see other logits than a call of its head from outside."""
    calls = iter(range(9))

    def turn(_module: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output + 1.0 if next(calls) == 0 else output

    hook = head.register_forward_hook(turn)
    try:
        yield
    finally:
        hook.remove()


def test_a_title_has_room_in_a_short_context(tiny_recipe: Callable[..., Recipe], model: LLMRecommender) -> None:
    generator = TitleGenerator(model.encoder)
    longest = int(model.encoder.serializer.item_tokens.lengths.max())
    prefix = len(model.encoder.serializer.prefix)
    config, context = generator.decoder.config, generator.decoder.config.max_position_embeddings
    try:
        config.max_position_embeddings = prefix + 2 * longest
        short = generator.exact(sequences_of(model, Histories.of([["3", "4", "5"]])))
        np.testing.assert_allclose(short, generator.exact(sequences_of(model, Histories.of([["5"]]))), atol=1e-3)
        config.max_position_embeddings = prefix + longest
        with pytest.raises(PromptError, match=r"the longest item \d+, but only \d+ may be read"):
            generator.exact(sequences_of(model, Histories.of([["5"]])))
    finally:
        config.max_position_embeddings = context


def test_a_catalog_of_one_item(tiny_recipe: Callable[..., Recipe]) -> None:
    events = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "x"], "timestamp": [1, 2]})
    items = pl.DataFrame({"item_id": ["x"], "title": ["The only film"]})
    data = Dataset.from_tables(events, items=items)
    model = LLMRecommender(tiny_recipe("text", "train.epochs=1", "train.title_loss=1")).fit(data)
    asked = Histories.of({"new": [], "old": ["x"]})
    for ask in (model.recommend, model.generate):
        recs = ask(asked, 3)
        assert recs.select("user_id", "item_id", "rank").rows() == [("new", "x", 1)]


@pytest.mark.slow
def test_the_next_film_is_generated(tmp_path: Path) -> None:
    """Whoever saw a film is told the next one by its title; titles are short, as a tiny model learns slowly."""
    base = build_tiny_base(tmp_path / "base", spread=0.3)
    values = {
        "model": "llm",
        "backbone": {"base": str(base), "dtype": "float32"},
        "history": {"max_items": 3, "encoding": "text"},
        "head": {"dim": 32},
        "train": {"epochs": 25, "learning_rate": 1e-2, "batch_tokens": 150, "title_loss": 1.0},
    }
    toy_data = toy_films(n_items=8, n_users=32, length=6)
    items = toy_data.catalog.table.with_columns(title=pl.Series([f"{x}{y}" for x in "abcd" for y in "xy"]))
    split = Split.leave_last_out(Dataset.from_tables(toy_data.events, items=items, keep_unseen_items=True))
    model = LLMRecommender(Recipe.of(values)).fit(split.train)
    first = model.generate(split.test.histories, 1, exclude_seen=False)
    right = first.join(split.test.answers, on=["user_id", "item_id"], how="semi").height / first.height
    assert right > 0.9
