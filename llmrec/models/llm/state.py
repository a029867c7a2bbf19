"""What a fitted LLM recommender holds, as one value: files, new items and sessions take it or return it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.config import Recipe
from llmrec.data import Catalog, Sequences
from llmrec.data.catalog_changes import CatalogChange
from llmrec.llm.bases import Base
from llmrec.models.ranking import rank_candidates, top_k
from llmrec.models.responses.fields import EventFields
from llmrec.models.text_encodings import TextEncodings
from llmrec.prompting.item_text import changed_texts
from llmrec.prompting.prompt import Prompt
from llmrec.retrieval.filters import EVERY_ITEM, ItemRules

if TYPE_CHECKING:
    from llmrec.models.llm.history_encoder import HistoryEncoder
    from llmrec.models.llm.indexed_items import IndexedItems


@dataclass(frozen=True)
class HistoryPrompts:
    """The wording of a history, of an item's line in it, of an event where events are read, and of the text that
    an item's vector encodes where that is another one than its line.
    """

    history: Prompt
    item: Prompt
    event: Prompt | None = None
    encoder: Prompt | None = None

    @classmethod
    def load(cls, recipe: Recipe) -> Self:
        """Load the prompts that a recipe names. Raises PromptError."""
        history = recipe.history
        names = {
            "history": history.prompt,
            "item": history.item_prompt,
            "event": history.event_prompt,
            "encoder": str(recipe.head.item_prompt),
        }
        return cls.of(recipe, [Prompt.load(names[one], history.language) for one in cls.used(recipe)])

    @classmethod
    def of(cls, recipe: Recipe, prompts: Sequence[Prompt]) -> Self:
        """Take a recipe's prompts in the order of ``used``."""
        return cls(**dict(zip(cls.used(recipe), prompts, strict=True)))

    @staticmethod
    def used(recipe: Recipe) -> list[str]:
        """Name the prompts that a recipe has."""
        optional = {"event": bool(recipe.history.events), "encoder": recipe.head.item_prompt is not None}
        return ["history", "item", *(name for name, has in optional.items() if has)]

    @property
    def in_order(self) -> list[Prompt]:
        """The prompts, in the order of ``used``."""
        return [one for one in (self.history, self.item, self.event, self.encoder) if one is not None]

    @property
    def encoded(self) -> Prompt:
        """The wording of the text that an item's vector encodes."""
        return self.encoder or self.item

    def changed(self, change: CatalogChange) -> Int64s:
        """Return the items of a change of which a text is new or another one: codes, ascending, [n]."""
        prompts = [self.item, *([self.encoder] if self.encoder else [])]
        return np.unique(np.concatenate([changed_texts(change, prompt)[0] for prompt in prompts]))


@dataclass(frozen=True, eq=False)
class LLMState:
    """Everything that is fitted or was there when it was; new items make another state of it.

    ``base`` says where its base model lies, ``counts`` [n_items] are the training events of each item, ``items``
    are the vectors by the network's weights when the state was made.
    """

    base: Base
    catalog: Catalog
    prompts: HistoryPrompts
    fields: EventFields
    encodings: TextEncodings
    counts: Float32s
    encoder: HistoryEncoder
    items: IndexedItems

    def refreshed(self) -> Self:
        """Return the state by the network's weights as they are now: text encodings, item vectors, index."""
        from llmrec.models.llm.indexed_items import IndexedItems

        network = self.encoder.network
        network.refresh()
        encodings = replace(self.encodings, texts=network.items.texts.cpu().numpy())
        return replace(self, encodings=encodings, items=IndexedItems.of(network))

    def scores(self, users: Float32s, window: Sequences) -> Float32s:
        """Score every item for unit user vectors [n, dim], read from ``window``: float32 [n, n_items]."""
        scores = self.items.scores(users)
        self.encoder.add_repeat_bias(scores, users, window)
        return scores

    def best(
        self,
        users: Float32s,
        histories: Sequences,
        k: int,
        *,
        window: Sequences,
        exclude_seen: bool,
        rules: ItemRules = EVERY_ITEM,
    ) -> tuple[Int64s, Float32s]:
        """Rank the items that ``rules`` allow for unit user vectors [n, dim] of ``histories``: [n, k] each.

        The index is asked for k items more than the longest history holds; dense scores are not needed but for
        rules and where repeats count. ``window``: the part of the histories that was read.
        """
        repeats = self.encoder.network.repeat_bias is not None and not exclude_seen
        if repeats or rules.change_scores:  # the index knows neither
            scores = rules.applied(self.scores(users, window))
            if exclude_seen:
                scores[histories.users(), histories.codes] = -np.inf
            return top_k(scores, k, self.catalog.tie_order)
        extra = int(histories.lengths().max(initial=0)) if exclude_seen else 0
        codes, values = self.items.index.search(users, min(k + extra, len(self.catalog)))
        seen = np.zeros(codes.shape, dtype=bool)
        if exclude_seen:
            for row in range(len(codes)):
                seen[row] = np.isin(codes[row], histories[row])
        return rank_candidates(codes, values, k, self.catalog.tie_order, without=seen)
