"""How a run is served: bounds, places and defaults, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmrec.models.run_files import BasePaths
from llmrec.serve.events import NewData
from llmrec.serve.reasons import NarratorName


@dataclass(frozen=True)
class ServiceSettings:
    """How a run is served, as the options of ``llmrec serve`` say it."""

    events: Path | None = None  # the file of events, by default beside the run
    new_data: NewData = "refuse"
    base: BasePaths | None = None
    backend: NarratorName = "auto"
    batch: int = 32
    wait: float = 0.002  # seconds that a query waits for others
    queue: int = 256
    deadline: float = 10.0  # seconds for an answer
    explaining: int = 4  # requests for reasons that are worked on at a time
    cache_bytes: int = 512 * 2**20
