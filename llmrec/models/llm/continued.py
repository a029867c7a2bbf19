"""What an LLM recommender that goes on from a run takes from it: the adapter, the head and the item encodings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Int64s
from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.errors import ModelError
from llmrec.llm.adapter_files import SavedAdapter, load_adapter, trainable
from llmrec.llm.bases import Base
from llmrec.llm.ragged import RaggedTokens
from llmrec.models.continuation import Continuation, take_over
from llmrec.models.llm.build import head_parameters
from llmrec.models.llm.files import read_trained
from llmrec.models.llm.state import HistoryPrompts
from llmrec.models.tensors import Tensors
from llmrec.models.text_encodings import TextEncodings
from llmrec.prompting.item_text import item_texts

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from llmrec.models.llm.network import NextItemNetwork


class ContinuedLLM:
    """The trained parts of a run, read from its files: its base model is not loaded a second time."""

    def __init__(self, continuation: Continuation, model: PreTrainedModel, base: Base) -> None:
        before = continuation.model
        if before.metadata["base"]["identity"] != base.identity:
            raise ModelError(
                f"{continuation.run} was trained on another '{base.name}' ({before.metadata['base']['identity']}, "
                f"here it is {base.identity}): restore that, or fit anew, without --continue"
            )
        self.continuation, self.n_items = continuation, len(continuation.catalog)
        self.adapted: PeftModel = trainable(
            load_adapter(model, SavedAdapter(continuation.run / "adapter", before.recipe.lora))
        )
        self.head: Tensors
        self.head, self._encodings = read_trained(
            continuation.run, before.recipe, self.adapted, n_items=self.n_items
        )

    def encodings(
        self, catalog: Catalog, prompts: HistoryPrompts, item_tokens: RaggedTokens, recipe: Recipe
    ) -> TextEncodings:
        """Return the item texts' encodings: the run's, and those of texts that it has not, encoded as its were."""
        from llmrec.llm.backbone import twin_without_adapter
        from llmrec.llm.encode import encode_item_texts

        here, there = self._same_texts(catalog, prompts)
        texts = np.zeros((len(catalog), self._encodings.texts.shape[1]), dtype=np.float32)
        texts[here] = self._encodings.texts[there]
        new = np.setdiff1d(np.arange(len(catalog)), here)
        if len(new):
            frozen = recipe.head.item_encoder == "frozen"
            model = twin_without_adapter(self.adapted) if frozen else self.adapted
            vectors = encode_item_texts(model, item_tokens.take(new), batch_tokens=recipe.train.batch_tokens)
            texts[new] = self._encodings.of(vectors).texts
        return replace(self._encodings, texts=texts)

    def put_head(self, network: NextItemNetwork, catalog: Catalog, *, share: float) -> None:
        """Copy the run's head into a network for another catalog: its ``share``, the rest is of what is there."""
        rows = self.continuation.rows(catalog)
        take_over(head_parameters(network), self.head, rows, self.n_items, share=share)

    def _same_texts(self, catalog: Catalog, prompts: HistoryPrompts) -> tuple[Int64s, Int64s]:
        """Return the rows, here and in the run, of the items whose text is what it was."""
        here, there = self.continuation.rows(catalog)
        now = np.array(item_texts(catalog, prompts.encoded), dtype=object)
        before = np.array(item_texts(self.continuation.catalog, prompts.encoded), dtype=object)
        same = now[here] == before[there]
        return here[same], there[same]
