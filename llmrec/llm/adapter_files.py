"""An adapter on disk, as peft writes it: put back only on the base and by the recipe that it was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from llmrec.config import AdapterConfig
from llmrec.errors import ArtifactError, ModelError
from llmrec.llm.backbone import add_adapter
from llmrec.llm.peft_import import import_peft, is_quantized
from llmrec.resources.bounded import UnreadableError, read_json

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
OF_BLOCKS = "base_model.model.model."  # what peft writes before the names of modules in the blocks
FIRST = (".lora_A.weight", ".lora_embedding_A")  # what the name of the matrix ends in whose rows are the rank


@dataclass(frozen=True)
class SavedAdapter:
    """A folder with an adapter, and the settings that its recipe says."""

    folder: Path
    settings: AdapterConfig


def save_adapter(model: PeftModel, folder: Path, *, base: str) -> None:
    """Write the adapter as peft does, naming its base as the recipe does, not by where it lies on this machine."""
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    # False: peft would look the base up on a hub to see whether its vocabulary grew; ours never does.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's form to fill in; the run's README.md says it


def load_adapter(model: PreTrainedModel, saved: SavedAdapter) -> PeftModel:
    """Put a saved adapter on its base model, frozen.

    Raises ArtifactError unless its weights are finite and just those that the settings ask for on this base. peft
    would take from the file which modules are adapted, by regular expressions, and leave out what is missing.
    """
    import_peft(quantized=is_quantized(model))
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    settings, shapes = saved.settings, _shapes_of(saved)
    try:
        adapted = _adapted_like(model, settings, [name for name in shapes if name.endswith(FIRST)])
    except ModelError as error:
        raise ArtifactError(f"the adapter in {saved.folder} does not fit this base model: {error}") from error
    fresh = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    _require_shapes(saved, shapes, {name: tuple(value.shape) for name, value in fresh.items()})
    set_peft_model_state_dict(adapted, _read_weights(saved.folder / WEIGHTS))
    cast("Any", adapted).requires_grad_(False)
    return adapted


def read_deltas(saved: SavedAdapter, modules: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Return what a plain LoRA adapter adds to each linear module of a causal LM's blocks, [rows, columns] each.

    ``modules``: the shapes of their weights, by their names in the blocks. Raises ArtifactError unless the adapter
    is of just these.
    """
    settings, shapes = saved.settings, _shapes_of(saved)
    names = {module: [f"{OF_BLOCKS}{module}.lora_{part}.weight" for part in "AB"] for module in modules}
    expected: dict[str, tuple[int, ...]] = {}
    for module, (rows, columns) in modules.items():
        expected |= dict(zip(names[module], [(settings.r, columns), (rows, settings.r)], strict=True))
    _require_shapes(saved, shapes, expected)
    weights = _read_weights(saved.folder / WEIGHTS)
    scaling = settings.alpha / (settings.r**0.5 if settings.rslora else settings.r)
    return {
        module: weights[second].float() @ weights[first].float() * scaling
        for module, (first, second) in names.items()
    }


def _shapes_of(saved: SavedAdapter) -> dict[str, tuple[int, ...]]:
    """Return the shapes of an adapter's weights. Raises ArtifactError where they are of another rank."""
    _check_config(saved)
    path, rank = saved.folder / WEIGHTS, saved.settings.r
    shapes = _shapes(path)
    ranks = {shape[0] for name, shape in shapes.items() if name.endswith(FIRST) and shape}
    if ranks != {rank}:  # before anything is made of that size
        raise ArtifactError(f"{path} does not fit the recipe: its rank is {_listed(ranks)}, not {rank}")
    return shapes


def _require_shapes(
    saved: SavedAdapter, shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    differ = sorted(name for name in shapes.keys() | expected.keys() if shapes.get(name) != expected.get(name))
    if differ:
        raise ArtifactError(
            f"the adapter in {saved.folder} does not fit this base model: '{differ[0]}' is "
            f"{_shown(shapes.get(differ[0]))}, not {_shown(expected.get(differ[0]))}"
        )


def trainable(adapted: PeftModel) -> PeftModel:
    """Let an adapter that was loaded be trained again, and return its model."""
    for name, parameter in adapted.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    return adapted


def _adapted_like(model: PreTrainedModel, settings: AdapterConfig, names: list[str]) -> PeftModel:
    """Add a fresh adapter; where a recipe says its modules by a regular expression, to those that have weights."""
    if isinstance(settings.targets, list) or settings.targets == "all-linear":
        return add_adapter(model, settings)
    modules = [name.removeprefix("base_model.model.").rpartition(".lora_")[0] for name in names]
    listed = settings.model_copy(update={"targets": modules, "last_layers": None})
    adapted = add_adapter(model, listed)
    for config in adapted.peft_config.values():
        cast("Any", config).target_modules = settings.targets
    return adapted


def _check_config(saved: SavedAdapter) -> None:
    """Raise ArtifactError where what other programs read says something else than the recipe."""
    path, settings = saved.folder / CONFIG, saved.settings
    try:
        values = read_json(path, most=2**20)
    except (UnreadableError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    wanted = {
        "peft_type": "LORA",
        "r": settings.r,
        "lora_alpha": settings.alpha,
        "use_rslora": settings.rslora,
        "use_dora": settings.dora,
    }
    for name, value in wanted.items():
        there = values.get(name) if isinstance(values, dict) else None
        if there != value:
            raise ArtifactError(f"{path} does not fit the recipe: {name} is {there!r}, not {value!r}")


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error


def _read_weights(path: Path) -> dict[str, Any]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    broken = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise ArtifactError(f"{path} is damaged: '{broken[0]}' holds NaN or infinity; restore it or train again")
    return weights


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "missing"


def _shown(shape: tuple[int, ...] | None) -> str:
    return "not there" if shape is None else str(list(shape))
