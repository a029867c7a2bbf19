"""The page: what it says, and that hostile text cannot break it."""

from __future__ import annotations

import html.parser

import pytest
from support.markup import check_page
from support.report_examples import build, card, no_figures  # noqa: F401

from llmrec.evaluation import Report
from llmrec.evaluation.report.glossary import encoding_meaning
from llmrec.evaluation.results import PromptExample

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y> {{ 7*7 }} $x_1$ <|im_end|> 電影 🎬\n&amp;"


class Tags(html.parser.HTMLParser):
    """Collects elements, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    return tags


@pytest.fixture(scope="module")
def rich_page() -> str:
    """A page with everything in it. Drawing its figures takes a second: they are drawn once."""
    counts = {"written_by_llm": 3, "replaced_by_template": 2, "written_by_template": 4}
    report = build().with_showcase([card("Film")], **counts)
    notes = ("gru was trained on other data.",)
    return report.model_copy(update={"notes": notes}).to_html()


def test_hostile_text_stays_text() -> None:
    report = build(name=HOSTILE, prompt=HOSTILE).with_showcase([card(HOSTILE, user_id=HOSTILE)])
    tags = read(report.to_html())
    assert "script" not in tags.names
    assert "img" not in tags.names
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert "".join(tags.text).count("{{ 7*7 }}") >= 6
    assert "<script>alert(1)</script>" in "".join(tags.text)


def test_the_page_needs_no_network(rich_page: str) -> None:
    tags = read(rich_page)
    assert not {"link", "iframe", "script"} & set(tags.names)
    loads = [value or "" for name, value in tags.attributes if name in {"src", "href", "xlink:href"}]
    assert loads
    assert all(value.startswith("#") for value in loads)


def test_the_page_says_what_happened(rich_page: str) -> None:
    page = " ".join("".join(read(rich_page).text).split())
    for said in (
        "1,234 tokens",
        "Of 9 reasons, the language model worded 3; 2 of its sentences",
        "replaced by a plain sentence; 4 were plain sentences from the start.",
        "place 1 of 1,682 in the model’s ranking",
        "5 more",
        "7 min 11 s",
        "Drama · 1994",
        "NDCG@10 on validation",
        "0.63 in second",
        "gru was trained on other data.",
    ):
        assert said in page, said


def test_everybody_can_read_it(rich_page: str) -> None:
    elements = check_page(rich_page)
    assert len(elements.of("table")) >= 4
    assert len(elements.of("svg")) >= 2


@pytest.mark.usefixtures("no_figures")
def test_what_no_model_recorded_is_left_out() -> None:
    report = build()
    assert ">tokens/s</th>" in report.to_html()
    costs = [one.cost.model_copy(update={"tokens_per_second": None}) for one in report.results]
    results = [one.model_copy(update={"cost": cost}) for one, cost in zip(report.results, costs, strict=True)]
    page = report.model_copy(update={"results": tuple(results)}).to_html()
    assert ">tokens/s</th>" not in page
    assert ">memory</th>" in page


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((0, 0, 0), "There were no reasons to word."),
        ((0, 0, 7), "Of 7 reasons, the language model worded none: all are plain sentences"),
        ((0, 1, 1), "Of 2 reasons, the language model worded 0; 1 of its sentences"),
        ((0, 1, 1), "; 1 was a plain sentence from the start."),
        ((None, None, None), ""),
    ],
)
def test_who_worded_the_reasons(counts: tuple[int | None, ...], said: str) -> None:
    llm, replaced, plain = counts
    report = build().with_showcase(
        [card("Film")], written_by_llm=llm, replaced_by_template=replaced, written_by_template=plain
    )
    page = report.to_html()
    assert said in page
    assert ("reasons" in page) == (llm is not None)
    assert Report.from_dict(report.to_dict()) == report


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("rank", "said"),
    [
        (10, "place 10 of 1,682 in the model’s ranking"),
        (1204, "place 1,204 of 1,682 in the model’s ranking, so not among its first 10"),
        (None, "not in the model’s ranking, so not among its first 10"),
    ],
)
def test_an_answer_is_marked_found_only_among_the_first_k(rank: int | None, said: str) -> None:
    page = build().with_showcase([card("Film", answer_rank=rank)]).to_html()
    assert f"</b> · {said}</p>" in page
    assert ('class="answer hit"' in page) == (rank == 10)


def test_ids_of_the_figures_do_not_collide(rich_page: str) -> None:
    attributes = read(rich_page).attributes
    ids = [value for name, value in attributes if name == "id"]
    assert ids
    assert len(ids) == len(set(ids))


@pytest.mark.usefixtures("no_figures")
def test_a_card_may_leave_things_out_and_say_more() -> None:
    plain = {"user_id": "1", "history": [], "recommendations": [], "note": "kept"}
    report = build().with_showcase([plain])
    assert report.to_dict()["cards"][0]["note"] == "kept"
    assert "1 person, close up" in report.to_html()
    assert "Really chose next" not in report.to_html()


def test_what_a_model_reads_is_said_by_its_own_encoding() -> None:
    report = build()
    shown = PromptExample(text="A", tokens=1234, encoding="text", meaning="Line by line.", upper_tokens=56)
    first = report.results[0].model_copy(update={"prompt": shown})
    with_lines = report.model_copy(update={"results": (first, *report.results[1:])})
    old, new = report.to_html(), with_lines.to_html()
    assert "of which its upper blocks read 56" in new
    assert "Line by line." in new
    assert encoding_meaning("text") not in new
    assert "upper blocks" not in old  # nor where the report was written before that was recorded
    assert encoding_meaning("text") in old


def test_a_prompt_that_several_models_read_is_shown_once() -> None:
    first, second, third = build().results
    results = (first, second.model_copy(update={"prompt": first.prompt}), third)
    page = build().model_copy(update={"results": results}).to_html()
    assert page.count("1,234 tokens") == 1
    assert "<h2>What llm, gru read</h2>" in page
