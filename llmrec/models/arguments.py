"""What recommenders are given, checked at the interface: histories, and lists of items for each user."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM
from llmrec.data.histories import offsets_of
from llmrec.data.ids import id_of, ids_of
from llmrec.errors import DataError

log = logging.getLogger(__name__)


def require_histories(histories: Histories) -> Histories:
    """Return histories. Raises DataError for anything else."""
    if isinstance(histories, Histories):
        return histories
    raise DataError(
        f"histories are needed, not a {type(histories).__name__}; write Histories.of([['1', '7']]), or "
        "model.histories.of_user('17') for a user of the training data"
    )


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
