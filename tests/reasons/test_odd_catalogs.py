"""Reasons over catalogs as they come: values that say nothing, titles of megabytes, thousands of categories."""

from __future__ import annotations

import math
import time

import polars as pl
import pytest
from support.linear import Linear

import llmrec
from llmrec.data import Catalog, Histories
from llmrec.prompting import Language
from llmrec.reasons import Cited, Evidence, Item, NarrationRequest, add_facts, audit

RECS, HISTORIES = pl.DataFrame({"user_id": ["u"], "item_id": ["f"]}), Histories.of({"u": ["a", "b"]})
NOTHING = ["(no genres listed)", "N/A", "none", "Unknown", " null ", "\\N", "nan", "[unknown]", "-", "未知", ""]


def evidence(**metadata: object) -> Evidence:
    cited = (Cited("a", "Amber Gate", metadata, 2.0), Cited("b", "Blue Kite", metadata, 1.0))
    return Evidence("u", Item("f", "Final Waltz", metadata), cited)


@pytest.mark.parametrize(
    "genres", [*NOTHING, "(no genres listed)|N/A", ["Unknown"], ["n/a", None], None, math.nan]
)
def test_a_missing_genre_is_not_shared(genres: object) -> None:
    one = evidence(genres=genres)
    assert one.item.genres == ()
    plain = NarrationRequest(one).plain()
    assert "genre" not in plain
    assert audit(plain, one) == []
    assert audit('We suggest "Final Waltz" as it shares the genre of "Amber Gate".', one) == [
        "it says that a genre is shared, and none is"
    ]
    word = str(genres[0] if isinstance(genres, list) else genres)
    assert audit(f'"Final Waltz" and "Amber Gate" share the genre {word}.', one)


def test_a_genre_beside_a_missing_one_is() -> None:
    one = evidence(genres="Drama|(no genres listed)")
    assert one.item.genres == ("Drama",)
    assert "Drama" in NarrationRequest(one).plain()


@pytest.mark.parametrize("nothing", [*NOTHING[:-1], math.nan, math.inf])
def test_nor_is_another_attribute(nothing: object, catalog: Catalog) -> None:
    columns = {"brand": pl.Series([nothing] * 6, strict=False), "year": pl.Series([nothing] * 6, strict=False)}
    table = catalog.table.drop("year", "genres").with_columns(**columns)
    model = Linear(Catalog(table))
    (one,) = add_facts(llmrec.reasons.occlusion(model, HISTORIES, RECS), model)
    assert one.shared == ()
    assert dict(one.item.metadata) == {}


def test_prices_of_infinity(catalog: Catalog) -> None:
    prices = pl.Series("price", [math.inf, 2.0, math.nan, -math.inf, 5.0, math.inf])
    model = Linear(Catalog(catalog.table.with_columns(prices)))
    why = llmrec.explain(model, RECS, HISTORIES)
    assert [one.name for one in why.evidence[0].shared] == ["genres"]
    assert "price" not in why.evidence[0].item.metadata
    assert audit('We suggest "Final Waltz" at inf because you chose "Amber Gate".', why.evidence[0])


@pytest.mark.slow
def test_titles_of_megabytes(catalog: Catalog) -> None:
    long = "\x1b[2J wide 电影 " * 600_000
    titles = [long, "Blue Kite", "Sting, The", "Dry River", "East Wind", long + "more"]
    model = Linear(Catalog(catalog.table.with_columns(title=pl.Series(titles), plot=pl.lit(long))))
    began = time.process_time()
    why = llmrec.explain(model, RECS, HISTORIES)
    # Reading the rows takes most of it; a pattern of megabytes took minutes.
    assert time.process_time() - began < 20
    assert len(why["sentence"][0]) < 500
    assert audit(why["sentence"][0], why.evidence[0]) == []


def test_thousands_of_categories() -> None:
    one = evidence(categories=[f"category {n}" for n in range(5_000)], genres=[f"genre {n}" for n in range(5_000)])
    began = time.process_time()
    assert audit('We suggest "Final Waltz", which is in category 4321, as you chose "Blue Kite".', one) == []
    assert audit('We suggest "Final Waltz", which is in category 5000, as you chose "Blue Kite".', one)
    assert time.process_time() - began < 20


def test_a_long_answer_is_not_read() -> None:
    one = evidence(genres="Drama")
    good = 'We suggest "Final Waltz" because you chose "Amber Gate".'
    assert audit(good, one) == []
    for text in ("We suggest " * 10_000, good + " " * 2000 + "\x1b", '"' * 2001):
        began = time.process_time()
        assert audit(text, one) == [f"it has {len(text):,} characters, not up to 2,000"]
        assert time.process_time() - began < 0.5


@pytest.mark.parametrize("text", ["\x1b[2J", "\ud800", "\u202e", "\x9b", "a\u2028b"])
def test_what_no_terminal_should_see_is_no_plain_text(text: str) -> None:
    good = 'We suggest "Final Waltz" because you chose "Amber Gate".'
    assert audit(good.replace("because", text + "because"), evidence()) == ["it is not one line of plain text"]


@pytest.mark.parametrize(("language", "genre"), [("en", "剧情"), ("zh", "Drama")])
def test_facts_in_another_language_than_the_reason(language: Language, genre: str, catalog: Catalog) -> None:
    titles = ["活着", "黄土地", "她说「活着」", "East", "West", "霸王别姬"] if language == "en" else list("ABCDEF")
    table = catalog.table.with_columns(title=pl.Series(titles), genres=pl.lit(genre))
    why = llmrec.explain(Linear(Catalog(table)), RECS, HISTORIES, language=language)
    assert titles[5] in why["sentence"][0]
    assert titles[0] in why["sentence"][0]
    assert audit(why["sentence"][0], why.evidence[0], language=language) == []


class Writes:
    """A narrator that always writes the same."""

    backend = "llm"

    def __init__(self, text: str) -> None:
        self.text = text

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        return [self.text] * len(requests)


@pytest.mark.parametrize(
    "text",
    [
        'Because you chose "Amber Gate", we',
        'We suggest "Final Waltz" because you chose "Amber',
        "因为您选择过《Amber Gate》，我们推荐《Final Waltz》。",
    ],
)
def test_half_a_sentence_and_one_in_another_language_are_not_shown(text: str, model: Linear) -> None:
    why = llmrec.explain(model, RECS, HISTORIES, narrator=Writes(text))
    assert why["sentence"].to_list() == llmrec.explain(model, RECS, HISTORIES)["sentence"].to_list()
    assert (why["backend"][0], why["first_try"][0]) == ("template", False)


@pytest.mark.parametrize("year", ["²", "9" * 5000, "1990s", "", "-1", "1e400"])
@pytest.mark.parametrize("number", ["2", "1.2.3", "1990s", "9" * 500, "0", "1,0", "100th"])
def test_numbers_that_are_none_are_refused_and_nothing_is_raised(year: str, number: str) -> None:
    one = evidence(year=year, price=year)
    for said in (
        "is {} years newer than",
        "is {} in 9 people, and older than",
        "is ranked {}, like",
        "costs {}, like",
    ):
        assert audit(f'"Final Waltz" {said.format(number)} "Amber Gate", which you chose.', one) != []
    assert audit(f'{number} % of the people who chose "Amber Gate" also chose "Final Waltz".', one) != []
