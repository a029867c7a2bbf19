"""Load a causal LLM's weights and tokenizer, and refuse what would compute something else than it says."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

from llmrec.errors import EnvironmentFault, LlmrecError, MissingExtra, ModelError
from llmrec.llm.bases import PINNED, Base, find_base
from llmrec.runtime import Dtype, resolve_dtype

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

# Families of which a block is the same however many follow it.
CUT_WHEN_READ = frozenset(("llama", "mistral", "qwen2", "qwen3"))


def load_causal_lm(
    base: str | Base,
    *,
    dtype: Dtype = "auto",
    quantize: Literal["none", "4bit"] = "none",
    layers: int | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal LLM and its tokenizer in evaluation mode, on the CPU.

    ``4bit`` keeps its matrices as NF4 by bitsandbytes. ``layers``: only so many blocks are needed; of common
    families no others are read. What its files say of generation is left out, but for the tokens that end it. No
    code of its own is run. Raises ModelError if it is no causal LM, cannot be read, or is neither local nor in
    reach, MissingExtra without bitsandbytes, EnvironmentFault without memory.
    """
    import torch

    base = base if isinstance(base, Base) else find_base(base)
    log.info("base model %s: from %s", base.name, base.location)
    model, missing = _loaded(base, getattr(torch, resolve_dtype(dtype)), quantize, layers)
    model.train(mode=False)
    modules: list[Any] = list(cast("Any", model).modules())
    for module in modules:
        # A CPU with AVX512-BF16 would repack a matrix at its first use in evaluation: from then on bitsandbytes
        # computes no gradient through it, and says nothing. (And it cannot repack one narrower than 64.)
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    # transformers would fill in at random what a checkpoint lacks, and read an encoder's as a causal LM.
    if missing:
        raise _refusal(base, f"its checkpoint lacks {len(missing)} weights, e.g. {min(missing)}")
    broken = next((name for name, value in model.state_dict().items() if not _is_finite(value)), None)
    if broken is not None:
        raise _refusal(base, f"its weights hold NaN or infinity ({broken})")
    if not _is_causal(model):
        raise _refusal(base, "it looks ahead: what follows a token changes its state")
    tokenizer = load_tokenizer(base)
    _check_vocabulary(base, model, tokenizer)
    _end_generation_only(model)
    return model, tokenizer


def _loaded(
    base: Base, dtype: torch.dtype, quantize: Literal["none", "4bit"], layers: int | None
) -> tuple[PreTrainedModel, list[str]]:
    """Load the model, and name the weights that its checkpoint lacks. Raises ModelError."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as progress

    progress.disable_progress_bar()
    loader: Any = AutoModelForCausalLM  # its types do not know the loading info
    try:
        options = {} if quantize == "none" else {"quantization_config": _four_bits(dtype)}
        with _cut(base, layers) as config:
            model, info = loader.from_pretrained(
                base.location, dtype=dtype, output_loading_info=True, trust_remote_code=False, **config, **options
            )
    except LlmrecError:
        raise
    except MemoryError as error:
        raise EnvironmentFault(f"base model '{base.name}': this machine has too little memory for it") from error
    except Exception as error:  # whatever a stranger's files make of the loader
        raise _refusal(base, _reason(error)) from error
    return model, sorted(info["missing_keys"])


@contextmanager
def _cut(base: Base, layers: int | None) -> Iterator[dict[str, Any]]:
    """Give options to a loader by which it reads the first blocks alone; none where it must read all.

    It would report the weights of the others as unexpected.
    """
    from transformers import AutoConfig

    if layers is None:
        yield {}
        return
    config: Any = AutoConfig.from_pretrained(base.location, trust_remote_code=False)
    if config.model_type not in CUT_WHEN_READ or layers >= config.num_hidden_layers:
        yield {}
        return
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    reports = logging.getLogger("transformers.modeling_utils")
    # No level is set: at that of warnings it looks for layers that a plan of several devices leaves out, too.
    reports.addFilter(_is_error)
    try:
        yield {"config": config}
    finally:
        reports.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def _four_bits(compute: torch.dtype) -> BitsAndBytesConfig:
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtra(
            "backbone.quantize=4bit needs bitsandbytes: pip install 'llmrec[gpu]', or set backbone.quantize=none"
        )
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


def _is_finite(value: torch.Tensor) -> bool:
    """Whether no number is NaN or infinite; those of quantized weights are not looked at."""
    import torch

    if not value.is_floating_point() or value.element_size() < 2 or not value.numel():
        return True
    return bool(torch.isfinite(torch.stack(torch.aminmax(value))).all())


def _check_vocabulary(base: Base, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ModelError for tokens that a text may become and that the model has no row for.

    Special tokens are no part of texts here; of those, chats look at what their template writes.
    """
    rows = n_token_rows(model)
    added = {added.content for added in tokenizer.added_tokens_decoder.values() if added.special}
    beyond = sorted(token for token, code in tokenizer.get_vocab().items() if code >= rows and token not in added)
    if beyond:
        raise _refusal(
            base,
            f"the tokenizer has {len(tokenizer):,} tokens, the model {rows:,} (none for '{beyond[0]}'): resize "
            "its embeddings by model.resize_token_embeddings and save it",
        )
    if int(tokenizer.pad_token_id) >= rows:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)


def n_token_rows(model: PreTrainedModel) -> int:
    """Count the tokens that a model has an embedding for."""
    embeddings: Any = model.get_input_embeddings()
    return int(embeddings.weight.shape[0])


def _end_generation_only(model: PreTrainedModel) -> None:
    """Keep only the special tokens of a model's defaults for generation: others would change what is greedy."""
    from transformers import GenerationConfig

    defaults: Any = model.generation_config
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    model.generation_config = GenerationConfig(**{name: getattr(defaults, name, None) for name in names})


def load_tokenizer(base: str | Base) -> PreTrainedTokenizerBase:
    """Load a base model's tokenizer. No code of its own is run. Raises ModelError."""
    from transformers import AutoTokenizer

    base = base if isinstance(base, Base) else find_base(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.location, trust_remote_code=False)
    except Exception as error:  # a stranger's files; ImportError: sentencepiece, for some
        raise _refusal(base, _reason(error)) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _refusal(base: Base, reason: str) -> ModelError:
    return ModelError(
        f"base model '{base.name}' cannot be loaded as a causal LM: {reason}; "
        f"use a local folder, a GGUF file, a hub id that is in reach, or {', '.join(PINNED)}"
    )


def _reason(error: Exception) -> str:
    """Return the first line of an error that says something, with the next one where it announces that."""
    if "trust_remote_code" in str(error):
        return "it needs code of its own (auto_map in its configuration), which is never run"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    says = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    return says[:300] or type(error).__name__
