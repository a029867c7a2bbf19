"""The LLM recommender: one pass over a serialized history teaches every position at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import yaml

from llmrec.data import Dataset, Fold, Histories, Sequences
from llmrec.errors import ArtifactError, DataError
from llmrec.llm.index import ItemIndex
from llmrec.llm.serialize import Serializer
from llmrec.models.base import Recommender, Scores
from llmrec.models.neural import fit_network, read_log, write_log
from llmrec.models.ranking import rank_found
from llmrec.models.tensors import Tensors, read_tensors, write_tensors
from llmrec.prompting.lines import item_lines
from llmrec.prompting.prompt import Prompt
from llmrec.training.windows import plan

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from llmrec.llm.reader import Reader


class LLMRecommender(Recommender):
    """A LoRA-tuned causal LLM that scores every catalog item after every history.

    ``s(u, i) = tau * cos(W u, v_i) + b_i``, trained by exact softmax over the catalog at every item boundary;
    ``v_i`` joins the LLM's own encoding of the item's text and a learned residual.
    """

    kind = "llm"
    reader: Reader
    index: ItemIndex

    @property
    def narration_base(self) -> str:
        """The base model that words reasons: without the adapter and at full depth."""
        return self.recipe.backbone.base

    def embed_users(self, histories: Histories) -> Scores:
        """Return each history's user vector, unit length, float32 [n, dim]."""
        return self.reader.users(Sequences.encode(histories, self._fitted_catalog()))

    def item_vectors(self) -> Scores:
        """Return each item's vector, unit length, float32 [n_items, dim], in the space of the users."""
        return self._vectors

    def prompt_example(self, histories: Histories) -> dict[str, Any]:
        """Show how the first of ``histories`` is written for the model.

        Returns ``text`` (an item slot stands as ``[title]``), ``tokens`` (positions, slots included) and
        ``encoding``. Raises DataError without a history.
        """
        if not len(histories):
            raise DataError("there is no history to show")
        sequences = Sequences.encode(histories[:1], self._fitted_catalog())
        written = self.reader.written(sequences, 0)
        text = self.reader.shown(written, self.catalog.titles)
        return {"text": text, "tokens": written.n_tokens, "encoding": self.recipe.history.encoding}

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from llmrec.llm.backbone import add_adapter, load_backbone
        from llmrec.llm.weights import identity_of
        from llmrec.runtime import seed_everything

        seed_everything(self.recipe.seed)
        self._prompts = (
            Prompt.load(self.recipe.history.prompt, self.recipe.history.language),
            Prompt.load(self.recipe.history.item_prompt, self.recipe.history.language),
        )
        model, tokenizer = load_backbone(self.recipe.backbone)
        name = self.recipe.backbone.base
        self.facts["base"] = {"name": name, "identity": identity_of(name, model)}
        model.to(_device())  # type: ignore[arg-type]  # transformers' stub wants a model here
        serializer = self._serializer(tokenizer)
        self._texts = self._encode_texts(model, serializer)
        sequences = Sequences.encode(data.histories, self.catalog)
        counts = np.bincount(sequences.codes, minlength=len(self.catalog))
        self._counts = counts.astype(np.float32)
        self._read_with(add_adapter(model, self.recipe.lora), tokenizer, serializer)
        settings, reader = self.recipe.train, self.reader
        batches = plan(
            sequences, costs=serializer.costs()[sequences.codes], epochs=settings.epochs,
            max_items=reader.max_items, max_tokens=reader.max_tokens, batch_tokens=settings.batch_tokens,
            overhead=len(serializer.prefix), seed=self.recipe.seed,
        )  # fmt: skip
        fit_network(
            self, reader.network, batches, lambda batch: reader.collate(sequences, batch),
            groups=self._groups(), valid=valid, work_dir=work_dir, progress=progress,
            bf16=model.dtype != _float32(), judging=self._judging,
        )  # fmt: skip
        self._freeze()

    def _serializer(self, tokenizer: PreTrainedTokenizerBase) -> Serializer:
        prefix, item = self._prompts
        return Serializer.build(
            tokenizer, item_lines(self.catalog, item), prefix=prefix.render("user"),
            encoding=self.recipe.history.encoding,
        )  # fmt: skip

    def _encode_texts(self, model: PreTrainedModel, serializer: Serializer) -> Scores:
        from llmrec.llm.backbone import encoder
        from llmrec.llm.encode import encode_lines, standardize

        budget = self.recipe.train.batch_tokens
        vectors = encode_lines(encoder(model), model.get_input_embeddings(), serializer, batch_tokens=budget)
        standardized, self._text_mean, self._text_scale = standardize(vectors)
        return standardized

    def _read_with(self, model: Any, tokenizer: PreTrainedTokenizerBase, serializer: Serializer) -> None:
        """Build the network around an adapted model."""
        import torch

        from llmrec.llm.network import HeadShape, NextItemNetwork
        from llmrec.llm.reader import Reader

        head, history, settings = self.recipe.head, self.recipe.history, self.recipe.train
        shape = HeadShape(**head.model_dump())
        texts, counts = torch.from_numpy(self._texts), torch.from_numpy(self._counts)
        network = NextItemNetwork(model, texts, counts, shape, title_loss=settings.title_loss)
        limit = getattr(model.config, "max_position_embeddings", None) or history.max_tokens
        self.reader = Reader(
            network.to(_device()), tokenizer, serializer, history.max_items,
            min(history.max_tokens, limit), settings.batch_tokens,
        )  # fmt: skip

    def _groups(self) -> list[dict[str, Any]]:
        """Parameter groups: the adapter and the head learn at their own rates; scalars do not decay."""
        settings = self.recipe.train
        named = [(n, v) for n, v in self.reader.network.named_parameters() if v.requires_grad]
        adapter = [value for name, value in named if name.startswith("model.")]
        head = [(name, value) for name, value in named if not name.startswith("model.")]
        rate = settings.head_learning_rate
        decayed = [value for name, value in head if value.ndim > 1]
        free = [value for name, value in head if value.ndim <= 1]
        return [
            {"params": adapter, "lr": settings.learning_rate, "weight_decay": 0.0},
            {"params": decayed, "lr": rate, "weight_decay": settings.weight_decay},
            {"params": free, "lr": rate, "weight_decay": 0.0},
        ]

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Score with the weights of the moment, as the finished model would."""
        from llmrec.llm.backbone import merged

        with merged(self.reader.network.model):
            self._take_vectors()
            yield

    def _freeze(self) -> None:
        """Fold the adapter in for good (its own weights stay, to be saved) and index the items."""
        from llmrec.llm.backbone import merge

        self.reader.network.eval()
        merge(self.reader.network.model)
        self._take_vectors()

    def _take_vectors(self) -> None:
        import torch

        network = self.reader.network
        with torch.inference_mode():
            self._vectors: Scores = network.item_vectors().cpu().numpy()
            self._bias: Scores = network.bias.cpu().numpy()
            self._temperature = float(network.log_temperature.exp())
        self.index = ItemIndex.build(self._vectors, temperature=self._temperature, bias=self._bias)

    def _score(self, sequences: Sequences) -> Scores:
        scores = self._temperature * self.reader.users(sequences) @ self._vectors.T + self._bias
        return scores.astype(np.float32, copy=False)

    def _ranked(self, histories: Histories, k: int, *, skip: bool) -> tuple[npt.NDArray[np.int64], Scores]:
        """Ask the index for k items more than the longest history holds; the dense scores are not needed."""
        sequences = Sequences.encode(histories, self.catalog)
        extra = int(sequences.lengths().max(initial=0)) if skip else 0
        codes, values = self.index.search(self.reader.users(sequences), min(k + extra, len(self.catalog)))
        seen = np.zeros(codes.shape, dtype=bool)
        if skip:
            for row in range(len(codes)):
                seen[row] = np.isin(codes[row], sequences[row])
        return rank_found(codes, values, k, self.catalog.tie_order, without=seen)

    def _nearest(
        self, codes: npt.NDArray[np.int64], k: int, vectors: Scores
    ) -> tuple[npt.NDArray[np.int64], Scores]:
        found, values = self.index.search(vectors[codes], min(k + 1, len(self.catalog)), biased=False)
        itself = found == codes[:, None]
        return rank_found(found, values / self._temperature, k, self.catalog.tie_order, without=itself)

    def _save(self, folder: Path) -> None:
        from llmrec.llm.backbone import save_adapter

        network = self.reader.network
        save_adapter(network.model, folder / "adapter", base=self.recipe.backbone.base)
        head = [(n, v) for n, v in network.named_parameters() if not n.startswith("model.")]
        statistics: Tensors = {
            "text_mean": self._text_mean,
            "text_scale": np.array([self._text_scale], dtype=np.float32),
            "counts": self._counts,
        }
        arrays: Tensors = {name: value.detach().cpu().numpy() for name, value in head}
        write_tensors(folder / "head.safetensors", arrays | statistics)
        write_tensors(folder / "embeddings.safetensors", {"texts": self._texts, "items": self._vectors})
        self.index.save(folder / "index.faiss")
        text = "---\n".join(prompt.to_yaml() for prompt in self._prompts)
        (folder / "prompt.yaml").write_text(text, encoding="utf-8")
        write_log(folder, self.train_log)

    def _load(self, folder: Path) -> None:
        import torch

        from llmrec.llm.backbone import load_adapter, load_backbone
        from llmrec.llm.weights import identity_of

        documents = yaml.safe_load_all((folder / "prompt.yaml").read_text(encoding="utf-8"))
        history, item = (Prompt.of(document, source=str(folder / "prompt.yaml")) for document in documents)
        self._prompts = (history, item)
        head, arrays = (
            read_tensors(folder / "head.safetensors"),
            read_tensors(folder / "embeddings.safetensors"),
        )
        self._text_mean, self._text_scale = head.pop("text_mean"), float(head.pop("text_scale")[0])
        self._texts, self._counts = arrays["texts"], head.pop("counts")
        model, tokenizer = load_backbone(self.recipe.backbone)
        name, said = self.recipe.backbone.base, self.facts["base"]["identity"]
        found = identity_of(name, model)
        if found != said:
            raise ArtifactError(f"{folder} was trained on another '{name}': {said}, here it is {found}")
        adapted = load_adapter(model, folder / "adapter")
        self._read_with(adapted, tokenizer, self._serializer(tokenizer))
        own = dict(self.reader.network.named_parameters())
        with torch.no_grad():
            for name, array in head.items():
                own[name].copy_(torch.from_numpy(array).view_as(own[name]))
        self._freeze()
        self.index = ItemIndex.load(folder / "index.faiss")
        self.train_log = read_log(folder)


def _device() -> torch.device:
    import torch

    from llmrec.runtime import device_name

    return torch.device(device_name())


def _float32() -> torch.dtype:
    import torch

    return torch.float32
