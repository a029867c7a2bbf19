"""What answers hold: the OpenAPI is made of these and of ``queries``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Named(BaseModel):
    """An item of the catalog."""

    item_id: str
    title: str


class CitedItem(Named):
    """An item of the history, how far the recommended item's score falls without it, and how that is called.

    ``rank_without``: where the recommended item would stand then, by no filter; 0 where that is not known.
    """

    contribution: float
    weight: str
    rank_without: int


class Reason(BaseModel):
    """Why an item: a sentence, who worded it, what it rests on, what the audit objected to, what it tells.

    ``rank``: where the item stands, by no filter.
    """

    sentence: str
    backend: str
    evidence: list[CitedItem]
    faults: list[str] = []
    facts: list[dict[str, Any]] = []
    theme: str = ""
    rank: int = 0


class Ranked(Named):
    """An item of a list, ranks from 1."""

    rank: int
    score: float
    reason: Reason | None = None


class RecommendAnswer(BaseModel):
    """A list; ``run`` names the run that made it, ``unknown_items`` those of the history that it lacks."""

    items: list[Ranked]
    unknown_items: list[str]
    run: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [{"item_id": "172", "title": "Empire Strikes Back, The", "rank": 1, "score": -0.44}],
                    "unknown_items": [],
                    "run": "3f9a61c2b07e",
                }
            ]
        }
    )


class SimilarAnswer(BaseModel):
    """The items most like each given one."""

    similar: dict[str, list[Ranked]]
    run: str


class ItemRanks(BaseModel):
    """An item's rank, and its rank without each item of the history; null: it cannot be recommended."""

    item_id: str
    rank: int | None
    without: dict[str, int | None]


class RanksAnswer(BaseModel):
    """Ranks by score among what ``/recommend`` ranks for the whole history, under the filter, undiversified."""

    ranks: list[ItemRanks]
    unknown_items: list[str]
    run: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ranks": [{"item_id": "172", "rank": 1, "without": {"50": 41}}],
                    "unknown_items": [],
                    "run": "3f9a61c2b07e",
                }
            ]
        }
    )


class PredictAnswer(BaseModel):
    """For each item the columns that ``llmrec predict`` prints."""

    predictions: list[dict[str, Any]]
    unknown_items: list[str]
    run: str


class EventsAnswer(BaseModel):
    """Events that are on the disk now; ``duplicates`` were there by their id."""

    accepted: int
    duplicates: int
    unknown_items: list[str]


class ItemsAnswer(BaseModel):
    """Items whose titles hold the words of a query, or whose id it is."""

    items: list[Named]


class Described(Named):
    """An item and its other columns; long texts are cut."""

    columns: dict[str, Any]


class LookupAnswer(BaseModel):
    """What the catalog says of items."""

    items: list[Described]
    unknown_items: list[str]


class FacetValue(BaseModel):
    """A value of a column, how many items have it, and the condition of a filter that they meet."""

    value: str
    count: int
    condition: str


class Facet(BaseModel):
    """A column that filters can use: a range of numbers, or a category with its values."""

    column: str
    kind: Literal["number", "category"]
    low: float | None = None
    high: float | None = None
    at_least: str | None = None
    at_most: str | None = None
    values: list[FacetValue]


class FacetsAnswer(BaseModel):
    """What filters can choose by; in ``at_least`` and ``at_most`` the number stands as {}."""

    facets: list[Facet]


class UserCount(BaseModel):
    """A user that the run knows, and how many events."""

    user_id: str
    events: int


class UsersAnswer(BaseModel):
    """Users that the run knows, in its order."""

    users: list[UserCount]


class UserEvent(Named):
    """An event of a user, as a query may send it again."""

    timestamp: float | None = None
    behavior: str | None = None
    rating: float | None = None
    price: float | None = None
    quantity: float | None = None
    positive: bool | None = None


class UserAnswer(BaseModel):
    """What is known of a user: how many events, and the newest of them, oldest first.

    Of those that were sent the newest 1,000 count, and not those of items that the catalog lacks.
    """

    user_id: str
    n_events: int
    events: list[UserEvent]


class RunAnswer(BaseModel):
    """The run that is served: what it can do, and which columns of items filters may name.

    ``item_tasks``: those of ``tasks`` that say something of an item, not of the user whatever the item.
    """

    run: str
    name: str
    kind: str
    items: int
    users: int
    columns: dict[str, str]
    tasks: list[str]
    item_tasks: list[str]
    similar: bool
    diversity: bool
    exclude_seen: bool
    reasons: Literal["llm", "template"]


class StateAnswer(BaseModel):
    """That the service is there."""

    status: Literal["ok"] = "ok"


class FailureText(BaseModel):
    """One line: what, its value, the way out."""

    code: str
    message: str


class FailureAnswer(BaseModel):
    """Any answer that is no success."""

    error: FailureText


class ItemAnswer(BaseModel):
    """An item that was changed; ``created``: it is new."""

    item_id: str
    created: bool
    run: str


class ForgottenAnswer(BaseModel):
    """A user of whom nothing is stored any more: whether the run knew them, and how many events were taken."""

    in_run: bool
    events: int
