"""A service asked from Python: the same methods and tables as the model that it serves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from llmrec.client.connection import Connection
from llmrec.client.sent import HistoriesOrUsers, address, diversity_value, events_of, filter_value, queries_of
from llmrec.data.columns import ITEM, RANK, SCORE, USER
from llmrec.data.ids import id_column, id_of, ids_of, some_ids
from llmrec.data.readers.frames import to_polars
from llmrec.errors import DataError, EnvironmentFault
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.filters import Filter

log = logging.getLogger(__name__)

# A service gives reasons for so many items of one list at a time.
EXPLAINED_AT_ONCE = 10
_LIST = {USER: pl.String, ITEM: pl.String, RANK: pl.Int32, SCORE: pl.Float32}
_SIMILAR = {ITEM: pl.String, "similar_id": pl.String, RANK: pl.Int32, SCORE: pl.Float32}
_RANKS = {USER: pl.String, ITEM: pl.String, "without": pl.String, RANK: pl.Int32}
_TEXT, _NUMBER, _COUNT = pl.String(), pl.Float64(), pl.Int64()
_TEXTS = pl.List(_TEXT)
_CITED: dict[str, pl.DataType] = {ITEM: _TEXT, "title": _TEXT, "contribution": _NUMBER, "weight": _TEXT}
_FACT: dict[str, pl.DataType] = {"kind": _TEXT, "item_ids": _TEXTS, "name": _TEXT, "values": _TEXTS}
_REASONS: dict[str, pl.DataType] = {
    **{USER: _TEXT, ITEM: _TEXT, "sentence": _TEXT, "backend": _TEXT},
    "evidence": pl.List(pl.Struct({**_CITED, "rank_without": _COUNT})),
    "faults": _TEXTS,
    "facts": pl.List(pl.Struct({**_FACT, "count": _COUNT, "of": _COUNT, "times": _NUMBER, "bits": _NUMBER})),
    **{"theme": _TEXT, RANK: pl.Int32()},
}
_USERS = {USER: pl.String, "events": pl.Int64}


class Client(Connection):
    """Asks ``llmrec serve`` at ``url``: ``Client().recommend(["17"], k=5)``.

    ``api_key`` is the service's LLMREC_API_KEY. An answer is waited for ``timeout`` seconds, in which a busy
    service is asked again; at most ``concurrency`` requests are on their way at a time, answered together there.
    What it refuses raises DataError with its line; that it cannot, or does not answer, EnvironmentFault.

    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     client.recommend(["17"], k=5, filter=Filter("year >= 1990"))
    """

    def recommend(
        self,
        histories: HistoriesOrUsers,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        filter: Filter | None = None,
        diversity: Diversity = 0.0,
    ) -> pl.DataFrame:
        """Rank items for each history, or for users whom the service knows, by id.

        Returns ``user_id, item_id, rank, score``; arguments as of ``Ranker.recommend``, but a list of texts names
        users.
        """
        options = {"k": k, "exclude_seen": exclude_seen, "filter": filter_value(filter)}
        options |= diversity_value(diversity)
        users, queries = queries_of(histories)
        answers = self._each(lambda query: self._post("/recommend", **query, **options), queries)
        rows = [
            (user, row["item_id"], row["rank"], row["score"])
            for user, answer in zip(users, answers, strict=True)
            for row in answer["items"]
        ]
        return pl.DataFrame(rows, schema=_LIST, orient="row")

    def similar_items(
        self, item_ids: str | int | Sequence[str | int], k: int = 10, *, filter: Filter | None = None
    ) -> pl.DataFrame:
        """Find the items most like each given one. Returns ``item_id, similar_id, rank, score``."""
        ids, options = some_ids(item_ids, label="item_ids"), {"k": k, "filter": filter_value(filter)}
        answers = self._each(lambda item: self._post("/similar", item_ids=[item], **options)["similar"], ids)
        rows = [
            (item, row["item_id"], row["rank"], row["score"])
            for item, answer in zip(ids, answers, strict=True)
            for row in answer[item]
        ]
        return pl.DataFrame(rows, schema=_SIMILAR, orient="row")

    def explain(
        self,
        recs: object,
        histories: HistoriesOrUsers | None = None,
        *,
        language: str = "en",
        form: str = "sentence",
        tone: str = "plain",
        instead: str | None = None,
    ) -> pl.DataFrame:
        """Give a reason for each row of ``recs`` (``user_id, item_id, rank``), by default of users known there.

        Returns ``user_id, item_id, sentence, backend, evidence, faults, facts, theme, rank`` in the order of
        ``recs``; a user's rows are lists of ten, whose reasons vary. A reason takes seconds where an LLM words it:
        raise ``timeout`` for many.
        """
        table = to_polars(recs, label="recs")
        if missing := {USER, ITEM} - set(table.columns):
            raise DataError(f"recs: no column '{min(missing)}'; pass what recommend returned")
        ids = [id_column(table[name], name, label=f"recs: {name}") for name in (USER, ITEM)]
        table = table.select(*ids, *(name for name in table.columns if name == RANK))
        named = table[USER].unique(maintain_order=True).to_list() if histories is None else histories
        users, queries = queries_of(named)
        by_user = dict(zip(users, queries, strict=True))
        options = {"language": language, "form": form, "tone": tone, "instead": instead}

        rows: dict[str, list[int]] = {}
        for n, user in enumerate(table[USER]):
            if user not in by_user:
                raise DataError(f"recs: user '{user}' is not among the histories")
            rows.setdefault(user, []).append(n)
        starts = [(user, start) for user, of in rows.items() for start in range(0, len(of), EXPLAINED_AT_ONCE)]
        parts = [(user, rows[user][start : start + EXPLAINED_AT_ONCE]) for user, start in starts]

        def reasons(rows_of: tuple[str, list[int]]) -> list[tuple[int, dict[str, Any]]]:
            user, part = rows_of
            body = {"item_ids": table[ITEM].gather(part).to_list(), **by_user[user], **options}
            if RANK in table.columns:
                body["ranks"] = table[RANK].gather(part).to_list()
            words = self._reasons(body)
            return [(n, {USER: user, **one}) for n, one in zip(part, words, strict=True)]

        worded = dict(one for part in self._each(reasons, parts) for one in part)
        return pl.DataFrame([worded[n] for n in range(table.height)], schema=_REASONS)

    def _reasons(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a reason for each item of a list, asked again while more are worded in time: they are cached."""
        n_before = 0
        while True:
            words: list[dict[str, Any]] = []
            try:
                words.extend(value for name, value in self._events("/explain", **body) if name == "reason")
            except EnvironmentFault:
                if len(words) <= n_before:
                    raise
                n_before = len(words)
                continue
            if len(words) < len(body["item_ids"]):
                raise EnvironmentFault(f"{self.url}: the answer ended before the reason; ask again")
            return words

    def ranks(
        self,
        histories: HistoriesOrUsers,
        items: str | Sequence[str],
        *,
        without: Sequence[str] = (),
        exclude_seen: bool | None = None,
        filter: Filter | None = None,
    ) -> pl.DataFrame:
        """Say where items stand in each list, and where they would ``without`` items of the history.

        Returns ``user_id, item_id, without, rank``: ``without`` is null for the whole history, ``rank`` for an
        item that cannot be recommended.
        """
        body: dict[str, Any] = {"item_ids": some_ids(items, label="items"), "exclude_seen": exclude_seen}
        body |= {"without": ids_of(without, label="without"), "filter": filter_value(filter)}
        users, queries = queries_of(histories)
        answers = self._each(lambda query: self._post("/ranks", **query, **body)["ranks"], queries)
        rows = [
            (user, row["item_id"], left_out, rank)
            for user, answer in zip(users, answers, strict=True)
            for row in answer
            for left_out, rank in [(None, row["rank"]), *row["without"].items()]
        ]
        return pl.DataFrame(rows, schema=_RANKS, orient="row")

    def predict_response(self, histories: HistoriesOrUsers, items: str | Sequence[str]) -> pl.DataFrame:
        """Predict how each user responds to each item; see ``RespondingRecommender.predict_response``."""
        ids = some_ids(items, label="items")
        users, queries = queries_of(histories)
        answers = self._each(lambda query: self._post("/predict", item_ids=ids, **query)["predictions"], queries)
        rows = [{USER: user, **row} for user, part in zip(users, answers, strict=True) for row in part]
        return _table(rows)

    def add_events(self, user_id: str | int, events: Sequence[str | int | Mapping[str, Any]]) -> int:
        """Tell the service what a user did, item ids or events, oldest first. Returns how many were new to it.

        They are on its disk when this returns. An event with an ``event_id`` that it has is not there twice; items
        that it does not know are logged. Raises DataError for text, which is no list.
        """
        answer = self._post("/events", user_id=id_of(user_id, label="user id"), events=events_of(events))
        if answer["unknown_items"]:
            log.warning("items that the service does not know (yet): %s", ", ".join(answer["unknown_items"][:5]))
        return int(answer["accepted"])

    def put_items(self, items: object) -> None:
        """Add items, or change columns of known ones: a table with ``item_id`` and columns of the catalog.

        One after the other; each is on the service's disk when the next is sent. See ``Changeable.add_items``.
        """
        for row in to_polars(items, label="items").to_dicts():
            item = id_of(row.pop(ITEM, None), label="items")
            self._answered("PUT", address("items", item), json={"columns": row})

    def remove_items(self, item_ids: Sequence[str | int]) -> None:
        """Recommend items no more; histories that hold them are read as before."""
        for item in ids_of(item_ids, label="item_ids"):
            self._answered("DELETE", address("items", item))

    def forget_user(self, user_id: str | int) -> None:
        """Have the service forget a person: the events that were sent and what the run stores, not its weights."""
        self._answered("DELETE", address("users", id_of(user_id, label="user id")))

    def items(self, query: str = "", limit: int = 20) -> pl.DataFrame:
        """Find items by words of their titles, or by id. Returns ``item_id, title``."""
        answer = self._get("/items", query=query, limit=limit)
        return pl.DataFrame(answer["items"], schema={ITEM: pl.String, "title": pl.String})

    def lookup(self, item_ids: str | Sequence[str]) -> pl.DataFrame:
        """Return what the catalog says of items that it has: ``item_id, title`` and its columns; texts are cut."""
        items = self._post("/lookup", item_ids=some_ids(item_ids, label="item_ids"))["items"]
        return _table([{ITEM: item[ITEM], "title": item["title"], **item["columns"]} for item in items])

    def facets(self) -> list[dict[str, Any]]:
        """Return what filters can choose by: for each column its values with their conditions, or a range."""
        facets: list[dict[str, Any]] = self._get("/facets")["facets"]
        return facets

    def users(self, start: str = "", limit: int = 20) -> pl.DataFrame:
        """Return known users whose ids begin so: ``user_id, events``."""
        return pl.DataFrame(self._get("/users", query=start, limit=limit)["users"], schema=_USERS)

    def user(self, user_id: str | int) -> pl.DataFrame:
        """Return the newest events of a user, oldest first, those that were sent at the end."""
        return _table(self._get(address("users", id_of(user_id, label="user id")))["events"])

    def reload(self, new_data: str = "refuse") -> dict[str, Any]:
        """Have the service load its folder's run anew; ``new_data``: "replay" or "included", see ``/reload``."""
        return self._post("/reload", new_data=new_data)

    def run(self) -> dict[str, Any]:
        """Say what is served: kind, items, users, columns that filters may name, tasks."""
        return self._get("/run")


def _table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a table, whose columns may begin with nulls and not stand in every row."""
    return pl.DataFrame(rows, infer_schema_length=None)
