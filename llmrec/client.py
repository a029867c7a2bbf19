"""A service asked from Python: the same methods and tables as the model that it serves."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import polars as pl

from llmrec.data import Histories
from llmrec.data.columns import BEHAVIOR, ITEM, NUMBERS, POSITIVE, RANK, SCORE, TIME, USER
from llmrec.data.ids import id_of, ids_of
from llmrec.data.readers.frames import to_polars
from llmrec.errors import DataError, EnvironmentFault
from llmrec.retrieval.filters import Filter

if TYPE_CHECKING:
    import httpx2

Answered = TypeVar("Answered")

# What a service takes of an event besides the item, and the longest it is waited for a busy one at a time.
EVENT_FIELDS, LONGEST_WAIT = (TIME, BEHAVIOR, *NUMBERS, POSITIVE), 5.0
# Answers that may be others a moment later.
_PASSING = frozenset({429, 503})
_LIST = {USER: pl.String, ITEM: pl.String, RANK: pl.Int32, SCORE: pl.Float32}
_SIMILAR = {ITEM: pl.String, "similar_id": pl.String, RANK: pl.Int32, SCORE: pl.Float32}


class Client:
    """Asks ``llmrec serve`` at ``url``: ``Client().recommend(["17"], k=5)``.

    ``api_key`` is the service's LLMREC_API_KEY. An answer is waited for ``timeout`` seconds, in which a busy
    service is asked again; at most ``concurrency`` requests are on their way at a time, answered together there.
    What it refuses raises DataError with its line; that it cannot, or does not answer, EnvironmentFault.

    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     client.recommend(["17"], k=5, filter=Filter("year >= 1990"))
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        concurrency: int = 16,
    ) -> None:
        import httpx2

        if not (math.isfinite(timeout) and timeout > 0):
            raise DataError(f"timeout is {timeout}; give the seconds that an answer may take, such as 30")
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        try:
            self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout)
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise DataError(f"{url} is no address of a service, or the key cannot be sent: {error}") from error
        self.url, self.timeout, self.concurrency = url, timeout, max(1, concurrency)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def recommend(
        self,
        histories: Histories | str | Sequence[str],
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        filter: Filter | None = None,
        diversity: float = 0.0,
    ) -> pl.DataFrame:
        """Rank items for each history, or for users whom the service knows, by id.

        Returns ``user_id, item_id, rank, score``; arguments as of ``Ranker.recommend``.
        """
        options = {"k": k, "exclude_seen": exclude_seen, "filter": _filter(filter), "diversity": diversity}
        users, queries = _queries(histories)
        answers = self._each(lambda query: self._post("/recommend", **query, **options), queries)
        rows = [
            (user, row["item_id"], row["rank"], row["score"])
            for user, answer in zip(users, answers, strict=True)
            for row in answer["items"]
        ]
        return pl.DataFrame(rows, schema=_LIST, orient="row")

    def similar_items(self, item_ids: str | Sequence[str], k: int = 10) -> pl.DataFrame:
        """Find the items most like each given one. Returns ``item_id, similar_id, rank, score``."""
        ids = ids_of([item_ids] if isinstance(item_ids, str) else item_ids, label="item_ids")
        answers = self._each(lambda item: self._post("/similar", item_ids=[item], k=k)["similar"], ids)
        rows = [
            (item, row["item_id"], row["rank"], row["score"])
            for item, answer in zip(ids, answers, strict=True)
            for row in answer[item]
        ]
        return pl.DataFrame(rows, schema=_SIMILAR, orient="row")

    def explain(
        self,
        recs: object,
        histories: Histories | str | Sequence[str] | None = None,
        *,
        language: str = "en",
        form: str = "sentence",
        tone: str = "plain",
        instead: str | None = None,
    ) -> pl.DataFrame:
        """Give a reason for each row of ``recs`` (``user_id, item_id``), by default of users known there.

        Returns ``user_id, item_id, sentence, backend, evidence, faults`` in the order of ``recs``. A reason takes
        seconds where an LLM words it: raise ``timeout`` for many.
        """
        table = to_polars(recs, label="recs")
        named = table[USER].unique(maintain_order=True).to_list() if histories is None else histories
        users, queries = _queries(named)
        by_user = dict(zip(users, queries, strict=True))
        options = {"language": language, "form": form, "tone": tone, "instead": instead}

        def reason(row: Mapping[str, Any]) -> dict[str, Any]:
            query = by_user.get(row[USER])
            if query is None:
                raise DataError(f"recs: user '{row[USER]}' is not among the histories")
            events = self._events("/explain", item_ids=[row[ITEM]], **query, **options)
            return {USER: row[USER], **next(value for name, value in events if name == "reason")}

        return pl.DataFrame(self._each(reason, table.select(USER, ITEM).to_dicts()))

    def predict_response(
        self, histories: Histories | str | Sequence[str], items: str | Sequence[str]
    ) -> pl.DataFrame:
        """Predict how each user responds to each item; see ``RespondingRecommender.predict_response``."""
        ids = ids_of([items] if isinstance(items, str) else items, label="items")
        users, queries = _queries(histories)
        answers = self._each(lambda query: self._post("/predict", item_ids=ids, **query)["predictions"], queries)
        rows = [{USER: user, **row} for user, part in zip(users, answers, strict=True) for row in part]
        return pl.DataFrame(rows)

    def add_events(self, user_id: str | int, events: Sequence[str | Mapping[str, Any]]) -> int:
        """Tell the service what a user did, item ids or events, oldest first. Returns how many were new to it.

        They are on its disk when this returns. An event with an ``event_id`` that it has is not there twice.
        """
        rows = [dict(event) if isinstance(event, Mapping) else {ITEM: event} for event in events]
        answer = self._post("/events", user_id=id_of(user_id, label="user id"), events=rows)
        return int(answer["accepted"])

    def put_items(self, items: object) -> None:
        """Add items, or change columns of known ones: a table with ``item_id`` and columns of the catalog.

        One after the other; each is on the service's disk when the next is sent. See ``Changeable.add_items``.
        """
        for row in to_polars(items, label="items").to_dicts():
            item = id_of(row.pop(ITEM, None), label="items")
            self._answered("PUT", f"/items/{quote(item, safe='')}", json={"columns": row})

    def remove_items(self, item_ids: Sequence[str | int]) -> None:
        """Recommend items no more; histories that hold them are read as before."""
        for item in ids_of(item_ids, label="item_ids"):
            self._answered("DELETE", f"/items/{quote(item, safe='')}")

    def forget_user(self, user_id: str | int) -> None:
        """Have the service forget a person: the events that were sent and what the run stores, not its weights."""
        self._answered("DELETE", f"/users/{quote(id_of(user_id, label='user id'), safe='')}")

    def items(self, query: str = "", limit: int = 20) -> pl.DataFrame:
        """Find items by words of their titles, or by id. Returns ``item_id, title``."""
        answer = self._get("/items", query=query, limit=limit)
        return pl.DataFrame(answer["items"], schema={ITEM: pl.String, "title": pl.String})

    def run(self) -> dict[str, Any]:
        """Say what is served: kind, items, users, columns that filters may name, tasks."""
        return self._get("/run")

    def _each(self, function: Callable[[Any], Answered], values: Sequence[Any]) -> list[Answered]:
        """Call a function with each value, several at a time; the first error is raised."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            return list(pool.map(function, values))

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._answered("GET", path, params=query).json()
        return answer

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._answered("POST", path, json=_present(body)).json()
        return answer

    def _answered(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Send a request, again while the service is busy. Raises DataError and EnvironmentFault."""
        import httpx2

        until = time.monotonic() + self.timeout
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx2.HTTPError as error:
                raise EnvironmentFault(f"no answer from {self.url}: {type(error).__name__}: {error}") from error
            wait = min(float(response.headers.get("Retry-After", 1)), LONGEST_WAIT)
            if response.status_code not in _PASSING or time.monotonic() + wait > until:
                break
            time.sleep(wait)
        if response.is_success:
            return response
        message = _message(response)
        if response.status_code in _PASSING or response.status_code >= 500:
            raise EnvironmentFault(f"{self.url}: {message}")
        raise DataError(message)

    def _events(self, path: str, **body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """Send a request and yield the server-sent events of its answer. Raises EnvironmentFault for an error."""
        for block in self._answered("POST", path, json=_present(body)).text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if not fields:
                continue
            value = json.loads(fields["data"])
            if fields["event"] == "error":
                raise EnvironmentFault(f"{self.url}: {value['error']['message']}")
            yield fields["event"], value


def _queries(histories: Histories | str | Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return user ids, and what is sent of each one's history: the id alone where the service knows it."""
    if not isinstance(histories, Histories):
        users = ids_of([histories] if isinstance(histories, str | int) else histories, label="user ids")
        return users, [{"user_id": user} for user in users]
    users, fields = list(histories.user_ids), [name for name in EVENT_FIELDS if name in histories.events.columns]
    if not fields:
        return users, [{"history": items} for items in histories]
    rows = histories.events.select(ITEM, *fields).to_dicts()
    bounds = list(zip(histories.offsets[:-1], histories.offsets[1:], strict=True))
    return users, [{"events": [_present(row) for row in rows[start:stop]]} for start, stop in bounds]


def _filter(wanted: Filter | None) -> dict[str, Any] | None:
    """Return a filter as it is sent. Raises DataError for conditions that are no text."""
    if wanted is None:
        return None
    conditions = [wanted.where] if isinstance(wanted.where, str | pl.Expr) else list(wanted.where)
    for condition in conditions:
        if not isinstance(condition, str):
            raise DataError(f"a service takes conditions as text, such as 'price < 50', not {condition}")
    return _present(
        {
            "where": conditions,
            "allow": None if wanted.allow is None else list(wanted.allow),
            "deny": list(wanted.deny),
            "at_most": dict(wanted.at_most),
            "boosts": dict(wanted.boosts),
        }
    )


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _message(response: httpx2.Response) -> str:
    """Return the line of a refusal; of another server's its status."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}; is it a service of llmrec?"
