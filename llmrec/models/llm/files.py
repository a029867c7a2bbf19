"""An LLM recommender's state in a run directory: adapter, head, embeddings, index, wording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.errors import ArtifactError
from llmrec.llm.encodings import encoding_named
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.prepare import event_tokens_of, tokenized
from llmrec.models.llm.state import HistoryPrompts, LLMState
from llmrec.models.responses.files import read_fields, write_fields
from llmrec.models.tensors import Tensors, read_tensors, write_tensors
from llmrec.models.text_encodings import TextEncodings
from llmrec.prompting.prompt import Prompt
from llmrec.retrieval.index import ItemIndex

if TYPE_CHECKING:
    import torch

    from llmrec.models.llm.network import NextItemNetwork

STATISTICS = ("text_mean", "text_scale", "counts")  # beside the trained values in head.safetensors


def write_llm(state: LLMState, folder: Path, *, base: str) -> None:
    """Write everything that ``read_llm`` needs; ``base`` is what the recipe calls the base model."""
    from llmrec.llm.backbone import save_adapter

    network, encodings = state.encoder.network, state.encodings
    save_adapter(network.model, folder / "adapter", base=base)
    scale = np.array([encodings.scale], dtype=np.float32)
    statistics: Tensors = dict(zip(STATISTICS, (encodings.mean, scale, state.counts), strict=True))
    write_tensors(folder / "head.safetensors", head_arrays(network) | statistics)
    vectors: Tensors = {"texts": encodings.texts, "items": state.items.vectors}
    write_tensors(folder / "embeddings.safetensors", vectors)
    state.items.index.save(folder / "index.faiss")
    _write_prompts(folder / "prompt.yaml", state.prompts)
    write_fields(state.fields, folder)


def read_llm(folder: Path, recipe: Recipe, catalog: Catalog, *, base_identity: str) -> LLMState:
    """Read what ``write_llm`` wrote.

    Raises ArtifactError for files of another version, and for a base model whose weights are not those that the
    run was trained on, ``base_identity``.
    """
    from llmrec.llm.backbone import load_adapter, load_backbone, merge
    from llmrec.llm.weights import identity_of
    from llmrec.models.llm.indexed_items import IndexedItems

    prompts = _read_prompts(folder / "prompt.yaml")
    fields = read_fields(folder, recipe, n_items=len(catalog))
    head = read_tensors(folder / "head.safetensors")
    mean, scale, counts = (head.pop(name) for name in STATISTICS)
    texts = read_tensors(folder / "embeddings.safetensors")["texts"]
    encodings = TextEncodings(texts, mean, float(scale[0]))
    base, tokenizer = load_backbone(recipe.backbone)
    name = recipe.backbone.base
    identity = identity_of(name, base)
    if identity != base_identity:
        raise ArtifactError(f"{folder} was trained on another '{name}': {base_identity}, here it is {identity}")
    serializer = tokenized(catalog, prompts, tokenizer, encoding=encoding_named(recipe.history.encoding))
    encoder = build_encoder(
        recipe,
        load_adapter(base, folder / "adapter"),
        tokenizer=tokenizer,
        serializer=replace(serializer, events=event_tokens_of(prompts, fields, tokenizer)),
        encodings=encodings,
        counts=counts,
        fields=fields,
    )
    _check_names(head, encoder.network, folder / "head.safetensors")
    put_head(encoder.network, head)
    merge(encoder.network.eval().model)
    items = replace(IndexedItems.of(encoder.network), index=ItemIndex.load(folder / "index.faiss"))
    return LLMState(identity, catalog, prompts, fields, encodings, counts, encoder, items)


def head_arrays(network: NextItemNetwork) -> Tensors:
    """Return the trained values besides the adapter's, by name."""
    return {name: value.detach().cpu().numpy() for name, value in _head_parameters(network).items()}


def put_head(network: NextItemNetwork, arrays: Tensors) -> None:
    """Copy trained values in; rows of items that came later stay as they are."""
    import torch

    parameters = _head_parameters(network)
    with torch.no_grad():
        for name, array in arrays.items():
            values = torch.from_numpy(array)
            if values.ndim:
                parameters[name][: len(values)] = values
            else:
                parameters[name].copy_(values)


def _check_names(arrays: Tensors, network: NextItemNetwork, path: Path) -> None:
    differ = arrays.keys() ^ _head_parameters(network).keys()
    if differ:
        raise ArtifactError(
            f"{path} was written by another version of llmrec: only one has {min(differ)}; fit it again"
        )


def _head_parameters(network: NextItemNetwork) -> dict[str, torch.nn.Parameter]:
    return {name: value for name, value in network.named_parameters() if not name.startswith("model.")}


def _write_prompts(path: Path, prompts: HistoryPrompts) -> None:
    used = [prompts.history, prompts.item, *([prompts.event] if prompts.event else [])]
    path.write_text("---\n".join(prompt.to_yaml() for prompt in used), encoding="utf-8")


def _read_prompts(path: Path) -> HistoryPrompts:
    documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return HistoryPrompts(*(Prompt.of(document, source=str(path)) for document in documents))
