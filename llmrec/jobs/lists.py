"""What a batch job asks of every list, as ``Ranker.recommend`` takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmrec.data.ids import ids_of
from llmrec.errors import DataError
from llmrec.jobs.user_parts import hash_of
from llmrec.models.request import check_diversity, require_filter
from llmrec.models.run_changes import current_items
from llmrec.retrieval import Calibration, Filter
from llmrec.retrieval.calibration import Diversity


@dataclass(frozen=True)
class ListOptions:
    """The options of ``Ranker.recommend`` for all users; each None where the call says nothing of it."""

    exclude_seen: bool | None = None
    filter: Filter | None = None
    diversity: Diversity | None = None

    def __post_init__(self) -> None:
        """Raise DataError for other values."""
        if self.exclude_seen is not None and not isinstance(self.exclude_seen, bool):
            raise DataError(f"exclude_seen is True, False or None, not {self.exclude_seen!r}")
        if self.filter is not None:
            require_filter(self.filter)
        check_diversity(self.diversity or 0.0)

    def given(self) -> dict[str, Any]:
        """Return the options that are given."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def check(self, run: Path) -> None:
        """Raise DataError for rules that do not fit the items of a run, before anything is written."""
        rules = [one for one in (self.filter, self.diversity) if isinstance(one, Filter | Calibration)]
        if rules:
            catalog = current_items(run)
            for one in rules:
                one.resolve(catalog)

    def description(self) -> dict[str, Any]:
        """Return what makes two jobs' lists differ, as JSON holds it."""
        rules = None if self.filter is None else _described(self.filter)
        diversity = vars(self.diversity) if isinstance(self.diversity, Calibration) else self.diversity or None
        return {"exclude_seen": self.exclude_seen, "filter": rules, "diversity": diversity}


NO_OPTIONS = ListOptions()


def _described(wanted: Filter) -> dict[str, Any]:
    where = wanted.where if isinstance(wanted.where, list | tuple) else [wanted.where]
    return {
        "where": [str(condition) for condition in where],
        "allow": _hash(wanted.allow),
        "deny": _hash(wanted.deny),
        "at_most": dict(wanted.at_most),
        "boosts": {str(condition): gain for condition, gain in wanted.boosts.items()},
    }


def _hash(ids: Iterable[str | int] | None) -> str | None:
    """Hash ids; None for no list, which is another thing than an empty one."""
    return None if ids is None else hash_of(pl.Series(ids_of(ids), dtype=pl.String))
