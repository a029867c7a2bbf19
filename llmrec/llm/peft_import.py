"""Import peft without bitsandbytes, which it would load, for seconds, though nothing is quantized."""

from __future__ import annotations

import sys
import threading
from typing import Any, cast

_BITSANDBYTES = "bitsandbytes"
_LOCK = threading.Lock()


def is_quantized(model: object) -> bool:
    """Whether a base model's weights are quantized."""
    return getattr(model, "quantization_method", None) is not None


def import_peft(*, quantized: bool) -> None:
    """Import peft, with bitsandbytes only where weights are quantized by it.

    What peft remembers of whether bitsandbytes is there is forgotten where that is needed later.
    """
    with _LOCK:
        if quantized:
            _with_bitsandbytes()
        elif "peft" not in sys.modules and _BITSANDBYTES not in sys.modules:
            # None: importing it fails, and looking for it does not find it.
            cast("dict[str, Any]", sys.modules)[_BITSANDBYTES] = None
            try:
                _remember()
            finally:
                del sys.modules[_BITSANDBYTES]


def _remember() -> None:
    """Import peft and have it remember whether bitsandbytes is there."""
    for function in _lookups():
        function()


def _with_bitsandbytes() -> None:
    for function in _lookups():
        getattr(function, "cache_clear", lambda: None)()
    import bitsandbytes
    from peft import helpers

    cast("Any", helpers).bnb = bitsandbytes


def _lookups() -> list[Any]:
    from peft import import_utils

    names = ("is_bnb_available", "is_bnb_4bit_available")
    return [getattr(import_utils, name) for name in names if hasattr(import_utils, name)]
