"""Write the files of a report, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from llmrec.errors import EnvironmentFault
from llmrec.resources.cache import usual_mode


def replace_file(path: Path, text: str) -> None:
    """Write a file beside its place, flush it, and move it there. Raises EnvironmentFault."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".tmp-{path.name}-", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(usual_mode(path.parent))
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = f"writing {path} failed: {error.strerror}"
        raise EnvironmentFault(f"{reason}; free some space or choose another place") from error
