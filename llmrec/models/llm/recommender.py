"""The LLM recommender: one pass over a serialized history teaches every position at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.data import Catalog, Dataset, Fold, Histories, Sequences
from llmrec.data.columns import USER
from llmrec.errors import DataError
from llmrec.llm.serialize import Serializer
from llmrec.models.fit_network import fit_network
from llmrec.models.llm.add_items import add_rows
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.files import read_llm, write_llm
from llmrec.models.ranking import rank_candidates, table_of, top_k
from llmrec.models.responses.fields import EventFields
from llmrec.models.responses.recommender import RespondingRecommender
from llmrec.prompting.item_text import item_texts
from llmrec.prompting.prompt import Prompt
from llmrec.resources.cache import appearing
from llmrec.retrieval.index import ItemIndex
from llmrec.training.batching import Batch, plan

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmrec.llm.event_tokens import EventTokens
    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.models.llm.session import UserSession
    from llmrec.training.response_heads import ResponseHeads


class LLMRecommender(RespondingRecommender):
    """A LoRA-tuned causal LLM that scores every catalog item after every history.

    ``s(u, i) = tau * cos(W u, v_i) + b_i``, trained by exact softmax over the catalog at every item boundary;
    ``v_i`` joins the LLM's own encoding of the item's text and a learned residual.
    """

    kind = "llm"
    encoder: HistoryEncoder
    index: ItemIndex
    prompts: tuple[Prompt, ...]  # of a history, of an item's line and, where events are read, of an event
    event_tokens: EventTokens | None  # what events say besides their items
    texts: Float32s  # each item's text encoding, standardized by the next two, [n_items, hidden]
    text_mean: Float32s
    text_scale: float
    counts: Float32s  # training events of each item, [n_items]

    @property
    def narration_base(self) -> str:
        """The base model that words reasons: without the adapter and at full depth."""
        return self.recipe.backbone.base

    def embed_users(self, histories: Histories) -> Float32s:
        """Return each history's user vector, unit length, float32 [n, dim]."""
        return self.encoder.users(self.sequences_of(histories))

    def item_vectors(self) -> Float32s:
        """Return each item's vector, unit length, float32 [n_items, dim], in the space of the users."""
        return self.vectors

    def generate(
        self, histories: Histories, k: int = 10, *, beams: int | None = 20, exclude_seen: bool | None = None,
        candidates: Mapping[str, list[str]] | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Recommend the items whose titles the LLM would write next; the table and the rest as ``recommend``.

        See ``GenerativeRanking``, which judges and fuses this ranking. Raises ModelError for a model that was
        not trained to write titles.
        """
        from llmrec.models.llm.generative import GenerativeRanking

        ranking = GenerativeRanking(self, beams=beams)
        return ranking.recommend(histories, k, exclude_seen=exclude_seen, candidates=candidates)

    def prompt_example(self, histories: Histories) -> dict[str, Any]:
        """Show how the first of ``histories`` is written for the model.

        Returns ``text`` (an item soft_token stands as ``[title]``), ``tokens`` (positions, slots included) and
        ``encoding``. Raises DataError without a history.
        """
        if not len(histories):
            raise DataError("there is no history to show")
        self._fitted_catalog()
        sequences = self.sequences_of(histories[:1])
        written = self.encoder.written(sequences, 0)
        text = self.encoder.shown(written, self.catalog.titles)
        return {"text": text, "tokens": written.n_tokens, "encoding": self.recipe.history.encoding}

    def session(self, history: Sequence[str | Mapping[str, object]] = (), *, forget: float = 0.0) -> UserSession:
        """Open a user's live session, after the item ids or events of ``history``; see ``UserSession``.

        Raises DataError for an item that is not in the catalog.
        """
        from llmrec.models.llm.session import UserSession

        self._fitted_catalog()
        event_codes = self._event_codes if self.event_tokens is not None else None
        found = UserSession(
            lambda: (self.encoder, self.catalog), self._answer, forget=forget, event_codes=event_codes
        )
        found.extend(history)
        return found

    def add_items(self, items: object) -> None:
        """Take in new items without training: they can be recommended and read in histories at once.

        ``items`` is a table with ``item_id`` and ``title``; of its other columns those that the catalog has are
        used. A new item is scored by its text, with the bias that ``head.cold_bias`` says. Raises DataError
        for an id that is there already or an item without text.
        """
        added = self._fitted_catalog().rows_of(items)
        if added.height:
            add_rows(self, added)

    def set_cold_bias(self, quantile: float) -> None:
        """Give items never trained on another bias: that quantile, 0 to 1, of the known items' biases."""
        self.recipe = self.recipe.with_values({"head.cold_bias": quantile})
        self.encoder.network.cold_bias = quantile
        self.take_vectors()

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from llmrec.llm.backbone import add_adapter, load_backbone
        from llmrec.llm.weights import identity_of
        from llmrec.models.text_encodings import TextEncodings
        from llmrec.runtime import device_name, seed_everything

        seed_everything(self.recipe.seed)
        self.fields = EventFields.fit(data, self.recipe)
        history = self.recipe.history
        wanted = [history.prompt, history.item_prompt, *([history.event_prompt] if history.events else [])]
        self.prompts = tuple(Prompt.load(name, history.language) for name in wanted)
        model, tokenizer = load_backbone(self.recipe.backbone)
        name = self.recipe.backbone.base
        self.metadata["base"] = {"name": name, "identity": identity_of(name, model)}
        model.to(device_name())  # type: ignore[arg-type]  # transformers' stub wants a model here
        self.read_events(tokenizer)
        serializer = self._cached_serializer(tokenizer, work_dir)
        encodings = TextEncodings.standardized(self.encode_item_texts(model, serializer))
        self.texts, self.text_mean, self.text_scale = encodings.texts, encodings.mean, encodings.scale
        sequences, targets = self._training_sequences(data), self._targets(data)
        counts = np.bincount(sequences.codes, minlength=len(self.catalog))
        self.counts = counts.astype(np.float32)
        adapted = add_adapter(model, self.recipe.lora)
        self.encoder = build_encoder(self, adapted, tokenizer=tokenizer, serializer=serializer, training=True)
        settings, encoder = self.recipe.train, self.encoder
        batches = plan(
            sequences, costs=serializer.sizes(sequences), epochs=settings.epochs,
            max_items=encoder.max_items, max_tokens=encoder.max_tokens, batch_tokens=settings.batch_tokens,
            overhead=len(serializer.prefix), ahead=settings.title_loss > 0, seed=self.recipe.seed,
        )  # fmt: skip

        def collate(batch: Batch) -> dict[str, Any]:
            tensors: dict[str, Any] = encoder.collate(sequences, batch)
            return tensors if targets is None else {**tensors, "labels": self._labels(targets, sequences, batch)}

        fit_network(
            self, encoder.network, batches, collate,
            groups=encoder.network.parameter_groups(settings), valid=valid, work_dir=work_dir, progress=progress,
            judging=self._judging, responses=self._validation(valid),
        )  # fmt: skip
        self.freeze()

    def serializer_of(self, tokenizer: PreTrainedTokenizerBase, catalog: Catalog) -> Serializer:
        """Tokenize a catalog with the wording of this model."""
        prefix, item = self.prompts[:2]
        built = Serializer.build(
            tokenizer, item_texts(catalog, item), prefix=prefix.render("user"),
            encoding=self.recipe.history.encoding,
        )  # fmt: skip
        return replace(built, events=self.event_tokens)

    def read_events(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Prepare to write what events say, with the levels and the wording of this model."""
        from llmrec.llm.event_tokens import EventTokens

        self.event_tokens = (
            EventTokens(self.levels, self.prompts[2], tokenizer) if self.recipe.history.events else None
        )

    def _cached_serializer(self, tokenizer: PreTrainedTokenizerBase, work_dir: Path | None) -> Serializer:
        """Tokenize the catalog; with ``work_dir`` once and for all, kept there and memory-mapped."""
        if work_dir is None:
            return self.serializer_of(tokenizer, self.catalog)
        place = work_dir / "tokens"
        if not place.is_dir():
            with appearing(place) as temporary:
                self.serializer_of(tokenizer, self.catalog).save(temporary)
        return replace(Serializer.load(place, self.recipe.history.encoding), events=self.event_tokens)

    def encode_item_texts(self, model: Any, serializer: Serializer) -> Float32s:
        """Return a model's encoding of every line, float32 [n, hidden]."""
        from llmrec.llm.backbone import encoder
        from llmrec.llm.encode import encode_item_texts
        from llmrec.training.advice import memory_advice

        budget = self.recipe.train.batch_tokens
        with memory_advice(self.recipe.train):
            return encode_item_texts(encoder(model), model.get_input_embeddings(), serializer, batch_tokens=budget)

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Score with the weights of the moment, as the finished model would."""
        from llmrec.llm.backbone import merged

        with merged(self.encoder.network.model):
            self.take_vectors()
            yield

    def freeze(self) -> None:
        """Fold the adapter in for good (its own weights stay, to be saved) and index the items."""
        from llmrec.llm.backbone import merge

        self.encoder.network.eval()
        merge(self.encoder.network.model)
        self.take_vectors()

    def take_vectors(self) -> None:
        import torch

        network = self.encoder.network
        network.refresh()
        with torch.inference_mode():
            self.texts = network.items.texts.cpu().numpy()
            self.raw: Float32s = network.items().cpu().numpy()
            self.vectors: Float32s = network.item_vectors().cpu().numpy()
            self.bias: Float32s = network.biases().cpu().numpy()
            self.temperature = float(network.log_temperature.exp())
        self.index = ItemIndex.build(self.vectors, temperature=self.temperature, bias=self.bias)

    def _score(self, sequences: Sequences) -> Float32s:
        return self._scores_of(self.encoder.users(sequences), self.encoder.window(sequences))

    def _scores_of(self, users: Float32s, read: Sequences) -> Float32s:
        """Score every item for user vectors [n, dim] of histories of which ``read`` was read."""
        scores = np.asarray(self.temperature * users @ self.vectors.T + self.bias, dtype=np.float32)
        self.encoder.add_repeat_bias(scores, users, read)
        return scores

    def _ranked(self, histories: Histories, k: int, *, exclude_seen: bool) -> tuple[Int64s, Float32s]:
        """Ask the index for k items more than the longest history holds; the dense scores are not needed."""
        if self.recipe.responses.rank_by != "relevance":
            return super()._ranked(histories, k, exclude_seen=exclude_seen)
        sequences = self.sequences_of(histories)
        return self._best(self.encoder.users(sequences), sequences, k, exclude_seen=exclude_seen)

    def _best(
        self, users: Float32s, known: Sequences, k: int, *, exclude_seen: bool, read: Sequences | None = None
    ) -> tuple[Int64s, Float32s]:
        """Rank for user vectors [n, dim] of the histories ``known``; ``read``: the part of them that was read."""
        if self.encoder.network.repeat_bias is not None and not exclude_seen:  # the index knows no histories
            scores = self._scores_of(users, self.encoder.window(known) if read is None else read)
            return top_k(scores, k, self.catalog.tie_order)
        extra = int(known.lengths().max(initial=0)) if exclude_seen else 0
        codes, values = self.index.search(users, min(k + extra, len(self.catalog)))
        seen = np.zeros(codes.shape, dtype=bool)
        if exclude_seen:
            for row in range(len(codes)):
                seen[row] = np.isin(codes[row], known[row])
        return rank_candidates(codes, values, k, self.catalog.tie_order, without=seen)

    def _answer(self, user: Float32s, known: list[int], read: int, k: int) -> pl.DataFrame:
        """Rank for one user vector, as a session asks that read the newest ``read`` of ``known``."""
        if k < 1:
            raise DataError(f"k must be at least 1, got {k}")
        whole = Sequences(np.array(known, dtype=np.int32), np.array([0, len(known)]))
        best, values = self._best(user[None], whole, k, exclude_seen=self.exclude_seen, read=whole.last(read))
        return table_of([""], self.catalog, best, values).drop(USER)

    def _nearest(self, codes: Int64s, k: int, vectors: Float32s) -> tuple[Int64s, Float32s]:
        found, values = self.index.search(vectors[codes], min(k + 1, len(self.catalog)), biased=False)
        itself = found == codes[:, None]
        return rank_candidates(found, values / self.temperature, k, self.catalog.tie_order, without=itself)

    def _states(self, sequences: Sequences) -> Float32s:
        return self.encoder.users(sequences, raw=True)

    def _heads(self) -> ResponseHeads | None:
        return self.encoder.network.responses

    def _raw_vectors(self) -> Float32s:
        return self.raw

    def _event_codes(self, histories: Histories) -> Int32s:
        assert self.event_tokens is not None
        return self.event_tokens.codes(histories)

    def _save(self, folder: Path) -> None:
        write_llm(self, folder)

    def _load(self, folder: Path) -> None:
        read_llm(self, folder)
