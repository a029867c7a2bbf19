"""An LLM recommender's state in a run directory: adapter, head, embeddings, index, wording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llmrec.arrays import Float32s
from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.errors import ArtifactError
from llmrec.llm.adapter_files import SavedAdapter, load_adapter, save_adapter
from llmrec.llm.bases import Base
from llmrec.llm.encodings import encoding_of
from llmrec.models.llm.build import build_encoder, expected_head, head_parameters
from llmrec.models.llm.serializer import event_tokens_of, tokenized
from llmrec.models.llm.state import HistoryPrompts, LLMState
from llmrec.models.responses.fields import EventFields
from llmrec.models.responses.files import read_fields, write_fields
from llmrec.models.tensors import Tensors, floats, read_tensor, read_tensors, require, write_tensors
from llmrec.models.text_encodings import TextEncodings
from llmrec.prompting.prompt import Prompt
from llmrec.resources.bounded import UnreadableError, read_yaml_documents
from llmrec.retrieval.flat import INDEX

if TYPE_CHECKING:
    from peft import PeftModel

    from llmrec.models.llm.network import NextItemNetwork

STATISTICS = ("text_mean", "text_scale", "counts")  # beside the trained values in HEAD
HEAD, EMBEDDINGS = "head.safetensors", "embeddings.safetensors"
SAME = 0.99  # the least cosine of a saved item vector and the one by the saved weights, maybe of another device


def write_llm(state: LLMState, folder: Path) -> None:
    """Write everything that ``read_llm`` needs."""
    network, encodings = state.encoder.network, state.encodings
    save_adapter(network.model, folder / "adapter", base=state.base.name)
    scale = np.array([encodings.scale], dtype=np.float32)
    statistics: Tensors = dict(zip(STATISTICS, (encodings.mean, scale, state.counts), strict=True))
    write_tensors(folder / HEAD, head_arrays(network) | statistics)
    vectors: Tensors = {"texts": encodings.texts, "items": state.items.vectors}
    write_tensors(folder / EMBEDDINGS, vectors)
    _write_prompts(folder / "prompt.yaml", state.prompts)
    write_fields(state.fields, folder)


def read_llm(folder: Path, recipe: Recipe, catalog: Catalog, *, base: Base, only_scores: bool = False) -> LLMState:
    """Read what ``write_llm`` wrote, of a run that was trained on ``base``. Raises ArtifactError.

    ``only_scores``: sooner, where that can be; such a state cannot be saved, changed or trained.
    """
    from llmrec.llm.backbone import merge
    from llmrec.models.llm.indexed_items import IndexedItems

    prompts = read_prompts(folder / "prompt.yaml", recipe)
    fields = read_fields(folder, recipe, n_items=len(catalog))
    encodings, vectors = _read_encodings(folder, recipe, n_items=len(catalog))
    adapted, tokenizer = _read_model(folder, recipe, base, only_scores=only_scores)
    head, counts = _read_head(folder, recipe, adapted, encodings, fields)
    serializer = tokenized(catalog, prompts, tokenizer, encoding=encoding_of(recipe.history))
    encoder = build_encoder(
        recipe,
        adapted,
        tokenizer=tokenizer,
        serializer=replace(serializer, events=event_tokens_of(prompts, fields, tokenizer)),
        encodings=encodings,
        counts=counts,
        fields=fields,
    )
    put_head(encoder.network.eval(), head)
    if hasattr(adapted, "peft_config"):
        merge(adapted)
    items = IndexedItems.of(encoder.network)
    cosines = (items.vectors * vectors).sum(axis=1)
    require(bool((cosines > SAME).all()), folder / EMBEDDINGS, "its vectors are not of this run's weights")
    items.index.check(folder / INDEX)
    return LLMState(base, catalog, prompts, fields, encodings, counts, encoder, items)


def _read_model(folder: Path, recipe: Recipe, base: Base, *, only_scores: bool) -> tuple[Any, Any]:
    """Read the base model with the run's adapter, and its tokenizer; see ``read_llm``."""
    from llmrec.llm.backbone import load_backbone
    from llmrec.llm.plain_reading import read_plain

    adapter = SavedAdapter(folder / "adapter", recipe.lora)
    plain = read_plain(recipe.backbone, base, adapter) if only_scores and _is_plain(recipe) else None
    if plain is not None:
        return plain
    model, tokenizer = load_backbone(recipe.backbone, base)
    return load_adapter(model, adapter), tokenizer


def _is_plain(recipe: Recipe) -> bool:
    """Whether histories are read by the blocks as they are, and nothing else is."""
    return not (recipe.history.local_blocks or recipe.history.events or recipe.train.pack)


def read_trained(
    folder: Path, recipe: Recipe, adapted: PeftModel, *, n_items: int
) -> tuple[Tensors, TextEncodings]:
    """Read a run's head, for training to go on from it, and its item texts' encodings. Raises ArtifactError."""
    fields = read_fields(folder, recipe, n_items=n_items)
    encodings, _ = _read_encodings(folder, recipe, n_items=n_items)
    head, _ = _read_head(folder, recipe, adapted, encodings, fields)
    return head, encodings


def read_vectors(folder: Path, recipe: Recipe, *, n_items: int) -> Float32s:
    """Read the item vectors alone, unit length, [n_items, dim]. Raises ArtifactError where the files differ."""
    read_prompts(folder / "prompt.yaml", recipe)
    _, vectors = _read_encodings(folder, recipe, n_items=n_items)
    return vectors


def _read_encodings(folder: Path, recipe: Recipe, *, n_items: int) -> tuple[TextEncodings, Float32s]:
    """Read the item texts' encodings, and the item vectors, [n_items, width] and [n_items, dim]."""
    expected = {"texts": floats(n_items, None), "items": floats(n_items, recipe.head.dim)}
    tensors, path = read_tensors(folder / EMBEDDINGS, expected), folder / HEAD
    mean = read_tensor(path, "text_mean", floats(tensors["texts"].shape[1]))
    scale = float(read_tensor(path, "text_scale", floats(1))[0])
    require(scale > 0, path, f"'text_scale' is {scale}")
    return TextEncodings(tensors["texts"], mean, scale), tensors["items"]


def _read_head(
    folder: Path, recipe: Recipe, adapted: PeftModel, encodings: TextEncodings, fields: EventFields
) -> tuple[Tensors, Float32s]:
    """Read the trained values besides the adapter's, and how many training events each item has."""
    path, n_items = folder / HEAD, len(encodings.texts)
    counts = read_tensor(path, "counts", floats(n_items))
    require(bool((counts >= 0).all() and counts.any()), path, "'counts' are none")
    trained = expected_head(recipe, adapted, encodings=encodings, counts=counts, fields=fields)
    others = {"text_mean": floats(None), "text_scale": floats(1), "counts": floats(n_items)}
    head = read_tensors(path, others | trained)
    return {name: head[name] for name in trained}, counts


def head_arrays(network: NextItemNetwork) -> Tensors:
    """Return the trained values besides the adapter's, by name."""
    return {name: value.detach().cpu().numpy() for name, value in head_parameters(network).items()}


def put_head(network: NextItemNetwork, arrays: Tensors) -> None:
    """Copy trained values in; rows of items that came later stay as they are."""
    import torch

    parameters = head_parameters(network)
    with torch.no_grad():
        for name, array in arrays.items():
            values = torch.from_numpy(array)
            if values.ndim:
                parameters[name][: len(values)] = values
            else:
                parameters[name].copy_(values)


def _write_prompts(path: Path, prompts: HistoryPrompts) -> None:
    path.write_text("---\n".join(prompt.to_yaml() for prompt in prompts.in_order), encoding="utf-8")


def read_prompts(path: Path, recipe: Recipe) -> HistoryPrompts:
    """Read the wording that a run was trained with. Raises ArtifactError."""
    try:
        documents = list(read_yaml_documents(path))
    except (UnreadableError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    wanted = len(HistoryPrompts.used(recipe))
    require(len(documents) == wanted, path, f"it holds {len(documents)} prompts, not {wanted}")
    require(all(isinstance(document, dict) for document in documents), path, "a prompt has no fields")
    return HistoryPrompts.of(recipe, [Prompt.of(document, source=str(path)) for document in documents])
