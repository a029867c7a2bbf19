"""llama.cpp's converter of a transformers folder to a GGUF file: where it lies, and a call of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from llmrec.errors import DataError, EnvironmentFault, ModelError
from llmrec.resources.cache import no_space

SCRIPT = "convert_hf_to_gguf.py"
NAMES = (SCRIPT, "convert-hf-to-gguf")  # as llama.cpp has it, and as packages install it
HOW = (
    "git clone --depth 1 https://github.com/ggml-org/llama.cpp, pip install sentencepiece, and name that folder "
    "by --llama-cpp or the variable LLAMA_CPP"
)


def find_converter(llama_cpp: str | Path | None = None) -> Path:
    """Return llama.cpp's converter: ``llama_cpp`` itself, in that folder, or by default on the PATH.

    Raises DataError where it is not there.
    """
    if llama_cpp is None:
        path_of = next(filter(None, map(shutil.which, NAMES)), None)
        if path_of is None:
            raise DataError(f"llama.cpp's converter {SCRIPT} is not on the PATH; {HOW}")
        return Path(path_of)
    path = Path(llama_cpp)
    path = path / SCRIPT if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{llama_cpp} holds no {SCRIPT}; {HOW}")
    return path


def convert_to_gguf(
    converter: Path, model: Path, out: Path, *, number_type: Literal["f32", "bf16"] = "f32"
) -> None:
    """Convert the transformers folder ``model`` to the file ``out``, its weights in ``number_type``.

    Raises ModelError with what the converter said last, as for a tokenizer that llama.cpp does not know, and
    EnvironmentFault on a full disk.
    """
    python = [sys.executable] if converter.suffix == ".py" else []
    command = [*python, str(converter.absolute()), str(model), "--outfile", str(out), "--outtype", number_type]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise ModelError(f"{converter} cannot be run: {error.strerror}; name another by --llama-cpp") from error
    if done.returncode == 0 and out.is_file():
        return
    said = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    reason = said[-1][:300] if said else "it said nothing"
    if no_space(ModelError("\n".join(said)), out.parent):
        raise EnvironmentFault(f"writing {out} failed: no space left; free some or choose another --out")
    raise ModelError(f"{converter} failed: {reason}; export --to transformers, and convert that folder by hand")
