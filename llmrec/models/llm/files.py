"""An LLM recommender's own files in a run directory: adapter, head, embeddings, index, wording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from llmrec.errors import ArtifactError
from llmrec.models.fit_network import read_log, write_log
from llmrec.models.llm.build import build_encoder
from llmrec.models.responses.files import read_fields, write_fields
from llmrec.models.tensors import Tensors, read_tensors, write_tensors
from llmrec.prompting.prompt import Prompt
from llmrec.retrieval.index import ItemIndex

if TYPE_CHECKING:
    import torch

    from llmrec.models.llm.recommender import LLMRecommender


def write_llm(model: LLMRecommender, folder: Path) -> None:
    """Write everything that ``read_llm`` needs."""
    from llmrec.llm.backbone import save_adapter

    save_adapter(model.encoder.network.model, folder / "adapter", base=model.recipe.backbone.base)
    statistics: Tensors = {
        "text_mean": model.text_mean,
        "text_scale": np.array([model.text_scale], dtype=np.float32),
        "counts": model.counts,
    }
    arrays: Tensors = {name: value.detach().cpu().numpy() for name, value in head_parameters(model)}
    write_tensors(folder / "head.safetensors", arrays | statistics)
    write_tensors(folder / "embeddings.safetensors", {"texts": model.texts, "items": model.item_vectors()})
    model.index.save(folder / "index.faiss")
    text = "---\n".join(prompt.to_yaml() for prompt in model.prompts)
    (folder / "prompt.yaml").write_text(text, encoding="utf-8")
    write_fields(model.fields, folder)
    write_log(folder, model.train_log)


def read_llm(model: LLMRecommender, folder: Path) -> None:
    """Fill a model, whose recipe and catalog are set, from its files. Raises ArtifactError."""
    from llmrec.llm.backbone import load_adapter, load_backbone
    from llmrec.llm.weights import identity_of

    documents = yaml.safe_load_all((folder / "prompt.yaml").read_text(encoding="utf-8"))
    model.prompts = tuple(Prompt.of(document, source=str(folder / "prompt.yaml")) for document in documents)
    model.fields = read_fields(folder, model.recipe, n_items=len(model.catalog))
    head = read_tensors(folder / "head.safetensors")
    model.text_mean, model.text_scale = head.pop("text_mean"), float(head.pop("text_scale")[0])
    model.texts, model.counts = read_tensors(folder / "embeddings.safetensors")["texts"], head.pop("counts")
    base, tokenizer = load_backbone(model.recipe.backbone)
    name, said = model.recipe.backbone.base, model.metadata["base"]["identity"]
    found = identity_of(name, base)
    if found != said:
        raise ArtifactError(f"{folder} was trained on another '{name}': {said}, here it is {found}")
    model.read_events(tokenizer)
    adapted = load_adapter(base, folder / "adapter")
    serializer = model.serializer_of(tokenizer, model.catalog)
    model.encoder = build_encoder(model, adapted, tokenizer=tokenizer, serializer=serializer)
    put_head(model, head)
    model.freeze()
    model.index = ItemIndex.load(folder / "index.faiss")
    model.train_log = read_log(folder)


def head_parameters(model: LLMRecommender) -> list[tuple[str, torch.nn.Parameter]]:
    """Return what is trained besides the adapter, by name."""
    named = model.encoder.network.named_parameters()
    return [(name, value) for name, value in named if not name.startswith("model.")]


def put_head(model: LLMRecommender, arrays: Tensors) -> None:
    """Copy trained values in; rows of items that came later keep what they have."""
    import torch

    own = dict(head_parameters(model))
    with torch.no_grad():
        for name, array in arrays.items():
            values = torch.from_numpy(array)
            if values.ndim:
                own[name][: len(values)] = values
            else:
                own[name].copy_(values)
