"""Write a run of an LLM recipe as what peft, transformers, vLLM, sentence-transformers and llama.cpp load."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from llmrec.errors import ArtifactError, DataError
from llmrec.llm.adapter_files import SavedAdapter, load_adapter
from llmrec.models.llm.gguf_converter import convert_to_gguf, find_converter
from llmrec.models.llm.recommender import LLMRecommender
from llmrec.models.llm.sentence_encoder import write_item_encoder, write_user_encoder
from llmrec.models.run_files import BasePaths
from llmrec.models.runs import load_run
from llmrec.resources.cache import appearing, named

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ExportForm = Literal["peft", "transformers", "gguf", "sentence-transformers", "sentence-transformers-users"]

HOW = {
    "peft": """The adapter. Load it with:

    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({base!r}), FOLDER)
""",
    "transformers": """The base model with the adapter merged into its weights. Load it with:

    from transformers import AutoModelForCausalLM, AutoTokenizer
    model, tokenizer = AutoModelForCausalLM.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)
""",
    "gguf": """The base model with the adapter merged into its weights, which are not quantized. Run it with:

    llama-cli -m {file}

llama-quantize makes a smaller file of it.
""",
    "sentence-transformers": """The encoder of item texts: vectors in the space of the items, for items that
training did not have (those that it had differ by what people did with them). Load it with:

    from sentence_transformers import SentenceTransformer
    vectors = SentenceTransformer(FOLDER).encode([TEXT])

A text is written as the run's prompt.yaml says, for example: {example}
""",
    "sentence-transformers-users": """The encoder of written histories: a user's vector, whose product with an
item's ranks the items but for what biases add. Load it with:

    from sentence_transformers import SentenceTransformer
    vectors = SentenceTransformer(FOLDER).encode([TEXT])

A history is written as the run's prompt.yaml says, and ends in a newline, for example:

{example}
""",
}


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    to: ExportForm,
    base: BasePaths | None = None,
    llama_cpp: str | Path | None = None,
) -> Path:
    """Write a run's LLM in the form of another library into the new folder ``out``, whole or not at all.

    "peft": the adapter, and its base in ``base/`` where the recipe cuts it to some layers. "transformers": the
    base with the adapter merged; "gguf": the same, by llama.cpp's converter, which ``llama_cpp`` is or lies in
    (by default it is looked for on the PATH). "sentence-transformers": the item texts' encoder, whose vectors are
    those of items without training events; "sentence-transformers-users": that of histories written as text.
    ``base``: see ``llmrec.load``. Raises DataError for another form, a run of another model, a 4-bit base that
    cannot be merged, or no converter, ArtifactError where ``out`` exists.
    """
    if to not in get_args(ExportForm):
        raise DataError(f"--to {to}: there is no such form; choose {', '.join(get_args(ExportForm))}")
    folder = named(Path(out))
    if folder.exists():
        raise ArtifactError(f"{folder} exists already; choose another --out or remove it")
    model = load_run(run, base=base, histories=False)
    if not isinstance(model, LLMRecommender):
        raise DataError(f"{run} holds a {model.kind} model; only a run of an LLM recipe is exported")
    if to != "peft" and model.recipe.backbone.quantize != "none":
        raise DataError(f"{run} has a 4-bit base, into which no adapter is merged; export --to peft")
    write = partial(_write_gguf, converter=find_converter(llama_cpp)) if to == "gguf" else _WRITERS[to]
    with appearing(folder) as temporary:
        details = write(model, Path(run), temporary, folder)
        text = HOW[to].format(**details).replace("FOLDER", repr(str(folder)))
        (temporary / "README.md").write_text(f"# {model.recipe.name}, for {to}\n\n{text}", encoding="utf-8")
    return folder


def _write_peft(model: LLMRecommender, run: Path, folder: Path, target: Path) -> dict[str, str]:
    from llmrec.llm.adapter_files import save_adapter
    from llmrec.llm.backbone import load_backbone

    backbone, tokenizer = load_backbone(model.recipe.backbone, model.state.base)
    base = model.state.base.location
    if model.recipe.backbone.layers is not None:
        backbone.save_pretrained(str(folder / "base"))
        tokenizer.save_pretrained(str(folder / "base"))
        base = str(target.resolve() / "base")
    save_adapter(load_adapter(backbone, SavedAdapter(run / "adapter", model.recipe.lora)), folder, base=base)
    return {"base": base}


def _write_merged(model: LLMRecommender, run: Path, folder: Path, target: Path) -> dict[str, str]:
    merged_model(model, run).save_pretrained(str(folder))
    model.encoder.tokenizer.save_pretrained(str(folder))
    return {}


def _write_gguf(
    model: LLMRecommender, run: Path, folder: Path, target: Path, *, converter: Path
) -> dict[str, str]:
    name = re.sub(r"[^\w.-]+", "-", model.recipe.name).strip("-.") or "model"  # what a recipe says is any text
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        merged = Path(temporary) / name  # the file says this name
        _write_merged(model, run, merged, target)
        path = folder / f"{name}.gguf"
        convert_to_gguf(converter, merged, path, number_type="bf16" if model.dtype == "bfloat16" else "f32")
    return {"file": path.name}


def _write_item_encoder(model: LLMRecommender, run: Path, folder: Path, target: Path) -> dict[str, str]:
    from llmrec.llm.backbone import load_backbone

    finetuned = model.recipe.head.item_encoder == "finetuned"
    state = model.state
    causal = merged_model(model, run) if finetuned else load_backbone(model.recipe.backbone, state.base)[0]
    return {"example": write_item_encoder(state, causal, folder)}


def _write_user_encoder(model: LLMRecommender, run: Path, folder: Path, target: Path) -> dict[str, str]:
    history = model.recipe.history
    if history.encoding != "text" or history.events or history.local_blocks:
        more = " with event fields" if history.events else " with local blocks" if history.local_blocks else ""
        raise DataError(
            f"{run} reads histories as {history.encoding}{more}: only "
            "those of history.encoding=text alone are a text; export --to sentence-transformers for the items"
        )
    return {"example": write_user_encoder(model.state, merged_model(model, run), folder)}


def merged_model(model: LLMRecommender, run: Path) -> PreTrainedModel:
    """Return the run's base with its adapter folded in, without a trace of peft."""
    from llmrec.llm.backbone import load_backbone

    backbone, _ = load_backbone(model.recipe.backbone, model.state.base)
    adapted: Any = load_adapter(backbone, SavedAdapter(run / "adapter", model.recipe.lora))
    merged: PreTrainedModel = adapted.merge_and_unload()
    return merged


_WRITERS: dict[str, Callable[[LLMRecommender, Path, Path, Path], dict[str, str]]] = {
    "peft": _write_peft,
    "transformers": _write_merged,
    "sentence-transformers": _write_item_encoder,
    "sentence-transformers-users": _write_user_encoder,
}
