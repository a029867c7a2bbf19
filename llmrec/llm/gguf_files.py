"""Convert GGUF files into what loaders read: a folder with config.json, safetensors and a tokenizer."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from llmrec.errors import LlmrecError, ModelError
from llmrec.resources.cache import cache_dir
from llmrec.resources.cached import cached_folder

log = logging.getLogger(__name__)


def converted_gguf(gguf: Path, identity: str) -> Path:
    """Return the folder of the cache with a GGUF file's model, converting it once. Raises ModelError.

    ``identity`` says which file it is: the same file elsewhere is not converted again.
    """

    def fill(folder: Path) -> None:
        log.info("base model %s: converting it once", gguf)
        convert_gguf(gguf, folder)

    return cached_folder(cache_dir() / "models" / f"gguf-{identity[-64:][:16]}", fill, source=identity)


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Rewrite a quantized GGUF file as plain safetensors. Raises ModelError; draws no random numbers.

    The first fit on a machine converts and later ones do not: both must draw the same initial weights.
    """
    import torch

    try:
        # By itself: of what lies beside the file, a loader would read more than its weights.
        with tempfile.TemporaryDirectory() as alone, torch.random.fork_rng(devices=[]):
            _link(gguf.resolve(), Path(alone) / "model.gguf")
            _convert(Path(alone), "model.gguf", folder)
    except (LlmrecError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"{gguf} cannot be converted: {reason}; use a whole file of a family that transformers reads from "
            "GGUF, or the model's folder with safetensors"
        ) from error


def _link(file: Path, link: Path) -> None:
    """Give a file another name; copy it where that is not allowed, as to most users of Windows."""
    try:
        link.symlink_to(file)
    except OSError:
        shutil.copyfile(file, link)


def _convert(source: Path, file: str, folder: Path) -> None:
    """Load, drop the quantization, save: what is loaded from GGUF refuses ``.float()`` and ``save_pretrained``."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as progress

    progress.disable_progress_bar()
    loader: Any = AutoModelForCausalLM  # its types do not know the loading info
    loaded, info = loader.from_pretrained(
        source, gguf_file=file, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
    )
    # transformers would fill in at random what the file lacks.
    missing = info["missing_keys"]
    if missing:
        raise ValueError(f"it lacks {len(missing)} weights, e.g. {min(missing)}")
    config = AutoConfig.for_model(
        **{key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=file, trust_remote_code=False).save_pretrained(folder)
