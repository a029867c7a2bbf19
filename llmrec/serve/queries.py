"""What requests may say, every field bounded: the OpenAPI is made of these and of ``answers``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from llmrec.data.cleaning.timestamps import LEAST_MILLISECONDS
from llmrec.data.ids import id_of
from llmrec.errors import DataError
from llmrec.serve.conditions import check_condition
from llmrec.serve.events import NewData

LONGEST_ID, LONGEST_NAME, LONGEST_CONDITION, LONGEST_TEXT = 512, 200, 500, 10_000
MOST_EVENTS, MOST_IDS, MOST_K = 2000, 10_000, 1000
MOST_ITEMS, MOST_EXPLAINED, MOST_RULES = 1000, 10, 16
MOST_RANKED, MOST_WITHOUT = 100, 50


def _id(value: object) -> str:
    try:
        return id_of(value)
    except DataError as error:
        raise PydanticCustomError("id", "{reason}", {"reason": str(error)}) from error


def _seconds(value: object) -> object:
    if isinstance(value, int | float) and value >= LEAST_MILLISECONDS:
        text = "{value} is no number of seconds since 1970; milliseconds are divided by 1000"
        raise PydanticCustomError("seconds", text, {"value": value})
    return value


def _condition(value: str) -> str:
    try:
        return check_condition(value)
    except DataError as error:
        raise PydanticCustomError("condition", "{reason}", {"reason": str(error)}) from error


# Ids are text; a whole number stands for its digits.
Id = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_ID),
    BeforeValidator(_id),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_ID}, {"type": "integer"}]}),
]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Bounded = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, lt=LEAST_MILLISECONDS), BeforeValidator(_seconds)]
ConditionText = Annotated[str, Field(min_length=1, max_length=LONGEST_CONDITION), BeforeValidator(_condition)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class HistoryEvent(_Body):
    """Something a user did; a model that reads no more than items reads no more of it."""

    item_id: Id
    timestamp: Seconds | None = Field(None, description="Seconds since 1970; for /events by default now.")
    behavior: Text | None = None
    rating: Bounded | None = None
    price: Bounded | None = None
    quantity: Bounded | None = None
    positive: bool | None = Field(None, description="false: it was sent back or disliked, and is no choice.")


class NewEvent(HistoryEvent):
    """An event to take in."""

    event_id: Text | None = Field(None, description="Sent again with the same id, an event is not there twice.")


class HistoryQuery(_Body):
    """Whose history: a user that the run or ``/events`` knows, item ids, or events; oldest first."""

    user_id: Id | None = None
    history: Annotated[list[Id], Field(max_length=MOST_EVENTS)] | None = None
    events: Annotated[list[HistoryEvent], Field(max_length=MOST_EVENTS)] | None = None
    unknown_items: Literal["ignore", "refuse"] = Field(
        "ignore", description="Items of the history that the catalog lacks are named in the answer, or refused."
    )

    @model_validator(mode="after")
    def _one_history(self) -> Self:
        if sum(value is not None for value in (self.user_id, self.history, self.events)) != 1:
            raise PydanticCustomError("history", "say whose history: one of user_id, history and events")
        return self


class FilterQuery(_Body):
    """Which items may be recommended: conditions on catalog columns, allowed and denied ids, caps, boosts."""

    where: Annotated[list[ConditionText], Field(max_length=MOST_RULES)] = []
    allow: Annotated[list[Id], Field(max_length=MOST_IDS)] | None = None
    deny: Annotated[list[Id], Field(max_length=MOST_IDS)] = []
    at_most: Annotated[dict[Text, Annotated[int, Field(ge=1, le=MOST_K)]], Field(max_length=MOST_RULES)] = {}
    boosts: Annotated[dict[ConditionText, Bounded], Field(max_length=MOST_RULES)] = {}


class RecommendQuery(HistoryQuery):
    """A list for one history."""

    k: Annotated[int, Field(ge=1, le=MOST_K)] = 10
    filter: FilterQuery | None = None
    diversity: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    calibrate: Text | None = Field(
        None,
        description="A column such as genres: diversity is then the weight of a list as mixed as the history.",
    )
    exclude_seen: bool | None = Field(None, description="By default as the training data suggests.")
    explain: bool = Field(False, description="Add a reason, in the template's words; /explain has an LLM word it.")
    language: Literal["en", "zh"] = "en"

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"history": ["50", "181"], "k": 3},
                {"user_id": "17", "filter": {"where": ["title like '%Star%'"]}, "diversity": 0.3, "explain": True},
                {"user_id": "17", "diversity": 0.3, "calibrate": "genres"},
            ]
        }
    )

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        if self.calibrate is not None and not self.diversity:
            raise PydanticCustomError("calibrate", "say how much a list is calibrated: diversity, such as 0.3")
        return self


class SimilarQuery(_Body):
    """Items to find others for."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RULES)]
    k: Annotated[int, Field(ge=1, le=MOST_K)] = 10
    filter: FilterQuery | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_ids": ["50"], "k": 3}]})


class ExplainQuery(HistoryQuery):
    """Items to give reasons for."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_EXPLAINED)]
    ranks: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=MOST_EXPLAINED)] | None = Field(
        None, description="Where they stand in a list; if not where no filter puts them, no rank is told."
    )
    instead: Id | None = Field(None, description="Say why not this item.")
    language: Literal["en", "zh"] = "en"
    form: Literal["sentence", "paragraph"] = "sentence"
    tone: Annotated[str, Field(min_length=1, max_length=40)] = "plain"

    model_config = ConfigDict(json_schema_extra={"examples": [{"history": ["50", "181"], "item_ids": ["172"]}]})

    @model_validator(mode="after")
    def _one_rank_each(self) -> Self:
        if self.ranks is not None and len(self.ranks) != len(self.item_ids):
            raise PydanticCustomError("ranks", "give one of ranks for each of item_ids, or none")
        return self


class RanksQuery(HistoryQuery):
    """Items whose ranks are asked for, and items of the history to leave out, one at a time."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_RANKED)]
    without: Annotated[list[Id], Field(max_length=MOST_WITHOUT)] = []
    filter: FilterQuery | None = None
    exclude_seen: bool | None = Field(None, description="By default as the training data suggests.")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"history": ["50", "181"], "item_ids": ["172"], "without": ["50"]}]}
    )


class LookupQuery(_Body):
    """Items to say more of."""

    item_ids: Annotated[list[Id], Field(max_length=MOST_ITEMS)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_ids": ["50", "181"]}]})


class PredictQuery(HistoryQuery):
    """Items to predict a user's responses to."""

    item_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "17", "item_ids": ["50", "181"]}]})


class EventsQuery(_Body):
    """A user's new events, oldest first; the user need not be known."""

    user_id: Id
    events: Annotated[list[NewEvent], Field(min_length=1, max_length=MOST_EVENTS)]
    unknown_items: Literal["ignore", "refuse"] = "ignore"

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "17", "events": [{"item_id": "50", "event_id": "e-1"}]}]}
    )


class ReloadQuery(_Body):
    """What to do with events that were taken for a run of other data than the one now in the folder."""

    new_data: NewData = Field(
        "refuse", description="replay: they are not in its data. included: they are. refuse: keep the old run."
    )


ItemValue = (
    Annotated[str, Field(max_length=LONGEST_TEXT)]
    | bool
    | Annotated[int, Field(ge=-(2**53), le=2**53)]
    | Bounded
    | Annotated[list[Text], Field(max_length=MOST_RULES)]
    | None
)


class ItemQuery(_Body):
    """Columns of an item: a new one needs a title, of a known one only these change."""

    columns: Annotated[dict[Text, ItemValue], Field(min_length=1, max_length=100)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"columns": {"title": "Alien", "year": 1979}}]})
