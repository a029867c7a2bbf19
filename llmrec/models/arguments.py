"""What recommenders are given, checked at the interface: histories, and lists of items for each user."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from llmrec.config import Recipe
from llmrec.data import Catalog, Dataset, Fold, Histories, Split
from llmrec.data.cleaning.positives import positives_as_settled
from llmrec.data.columns import ITEM, POSITIVE
from llmrec.data.histories import offsets_of
from llmrec.data.ids import id_of, ids_of
from llmrec.data.readers.frames import is_table
from llmrec.errors import DataError

log = logging.getLogger(__name__)

# Histories, or what ``read_as_histories`` reads as such.
HistoriesLike = Any


class KnownUsers(Protocol):
    """A model that knows users' histories, and how its data settled what is a positive target."""

    @property
    def histories(self) -> Histories: ...

    @property
    def metadata(self) -> dict[str, Any]: ...


def read_as_histories(given: HistoriesLike, known: KnownUsers) -> Histories:
    """Return histories, of what plainly means some: a Fold, a Dataset, lists of item ids, a table, one user's id.

    Of a table, events that were no positive targets in the data of ``known``, such as one star, are none, either.
    Raises DataError for all else, saying what to write.
    """
    if isinstance(given, Histories):
        return given
    if isinstance(given, Fold | Dataset):
        return given.histories
    if isinstance(given, Split):
        raise DataError("a Split has two folds: pass split.test or split.valid")
    if isinstance(given, str | int | np.integer) and not isinstance(given, bool):
        return known.histories.of_user(str(given))
    if isinstance(given, list | tuple) and any(isinstance(one, str | int | np.integer) for one in given):
        shown = repr(list(given[:2]))
        raise DataError(
            f"{shown} may be one history or several users: write [{shown}] for a history, "
            "Histories.of({'17': ['1', '7']}) for several, or "
            f"model.histories.of_users({shown}) for users of the training data"
        )
    if isinstance(given, list | tuple | Mapping):
        return Histories.of(given)
    if is_table(given):
        return _of_table(given, known.metadata.get("positive", {}))
    return require_histories(given)


def _of_table(table: object, settled: Mapping[str, Any]) -> Histories:
    return with_positives(Histories.from_events(table), settled)


def with_positives(histories: Histories, settled: Mapping[str, Any]) -> Histories:
    """Mark the events that were no positive targets in a model's data, settled as its manifest says."""
    if POSITIVE in histories.events.columns:
        return histories
    positive = positives_as_settled(histories.events, settled, label="histories")
    if positive.all():
        return histories
    return replace(histories, events=histories.events.with_columns(positive.alias(POSITIVE)))


def require_histories(histories: Histories) -> Histories:
    """Return histories. Raises DataError for anything else."""
    if isinstance(histories, Histories):
        return histories
    raise DataError(
        f"histories are needed, not a {type(histories).__name__}; write Histories.of([['1', '7']]), or "
        "model.histories.of_user('17') for a user of the training data"
    )


def training_part(data: Dataset | Split, valid: Fold | None) -> tuple[Dataset, Fold | None]:
    """Return what is trained on and validated on; of a split both. Raises DataError for other things."""
    if isinstance(data, Split):
        return data.train, data.valid if valid is None else valid
    if isinstance(data, Dataset):
        return data, valid
    raise DataError(
        f"fit takes a Dataset or a Split, not a {type(data).__name__}; write Dataset.from_tables(events, "
        "items=items)"
    )


def fit_arguments(recipe: Recipe | str | Path, data: Dataset, split: Split) -> Recipe:
    """Return the recipe, also by its name or file; ``data`` is what the split was cut from, or its training part.

    Raises DataError for other things, and for a split of other data.
    """
    if isinstance(recipe, str | Path):
        recipe = Recipe.load(recipe)
    for label, value, kind in (("recipe", recipe, Recipe), ("data", data, Dataset), ("split", split, Split)):
        if not isinstance(value, kind):
            raise DataError(
                f"{label} is a {kind.__name__}, not a {type(value).__name__}; write "
                "llmrec.fit(recipe, data, split, out)"
            )
    if data is not split.data and data.fingerprint not in (split.data.fingerprint, split.train.fingerprint):
        raise DataError(
            f"the split is of '{split.data.name}', not of these events of '{data.name}'; pass split.data"
        )
    return recipe


def note_unknown_items(histories: Histories, catalog: Catalog) -> None:
    """Log how many items of the histories the catalog lacks: they are passed over. Raises DataError for others."""
    items = require_histories(histories).events[ITEM]
    unknown = catalog.codes(items) < 0
    if not unknown.any():
        return
    n_known = np.diff(offsets_of(~unknown)[histories.offsets])
    without = int(((n_known == 0) & (histories.lengths() > 0)).sum())
    log.warning(
        "%d of %d items in these histories are not in the catalog and passed over, e.g. %r%s",
        unknown.sum(),
        len(unknown),
        items[int(unknown.argmax())],
        f"; {without} of {len(histories)} histories hold no other" if without else "",
    )


def lists_by_user(lists: Mapping[str, Sequence[str]], histories: Histories, *, label: str) -> dict[str, list[str]]:
    """Return the list of each user of the histories, ids as text; users without one are counted and logged.

    ``label`` is what messages call the lists. Raises DataError for other things than lists of ids by user id.
    """
    if not isinstance(lists, Mapping):
        raise DataError(
            f"{label} are lists of item ids by user id, not a {type(lists).__name__}; write {{'17': ['1', '7']}}"
        )
    keys: dict[str, str] = {}
    for key in lists:
        user = id_of(key, label=f"{label}: user id")
        if user in keys:
            raise DataError(f"{label}: user '{user}' is there twice, as {keys[user]!r} and {key!r}")
        keys[user] = key
    users = [user for user in histories.user_ids if user in keys]
    if len(users) < len(histories):
        without = next(user for user in histories.user_ids if user not in keys)
        count = len(histories) - len(users)
        log.warning("%d of %d users have no %s and get none, e.g. '%s'", count, len(histories), label, without)
    return {user: ids_of(lists[keys[user]], label=f"{label} of user '{user}'") for user in users}


def candidates_of(
    candidates: Mapping[str, Sequence[str]] | None, histories: Histories, catalog: Catalog
) -> dict[str, list[str]] | None:
    """Return the candidates of each user, None for the whole catalog; see ``lists_by_user``.

    Candidates that the catalog lacks are counted and logged.
    """
    if candidates is None:
        return None
    lists = lists_by_user(candidates, histories, label="candidates")
    distinct = list(dict.fromkeys(item for one in lists.values() for item in one))
    unknown = np.flatnonzero(catalog.codes(distinct) < 0)
    if len(unknown):
        example = distinct[unknown[0]]
        log.warning("%d candidates are not in the catalog and passed over, e.g. %r", len(unknown), example)
    return lists
