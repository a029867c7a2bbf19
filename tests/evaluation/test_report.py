"""The report: JSON there and back, a page that hostile text cannot break, tables for README and terminal."""

from __future__ import annotations

import html.parser
import json
from pathlib import Path
from typing import Any

import pytest

from llmrec.errors import DataError, EnvironmentFault
from llmrec.evaluation import EvaluationProtocol, Report
from llmrec.evaluation.report import plots
from llmrec.evaluation.results import Comparison, Cost, EvaluationContext, PromptExample, Result
from llmrec.evaluation.significance import Interval

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y> {{ 7*7 }} $x_1$ <|im_end|> 電影 🎬\n&amp;"


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean - 0.01, high=mean + 0.01)


def result(name: str, mean: float, **more: Any) -> Result:
    metrics = {column: interval(mean) for column in ("ndcg@10", "recall@10", "mrr@10")}
    return Result(model=name, kind=name, users=943, items=1682, metrics=metrics, **more)


def comparison(against: str, *, mine: float, theirs: float, p: float) -> Comparison:
    return Comparison(
        metric="ndcg@10",
        model="llm",
        against=against,
        difference=interval(mine - theirs),
        ratio=mine / theirs,
        p_value=p,
        intervals_overlap=interval(mine).overlaps(interval(theirs)),
    )


CONTEXT = EvaluationContext(
    data="films",
    fingerprint="ab" * 32,
    people=943,
    items=1682,
    events=98_000,
    split="leave-last-out",
    split_hash="cd" * 32,
    fold="test",
    users=943,
    answers=943,
    single_answer=True,
    exclude_seen=True,
    protocol=EvaluationProtocol.load("leave-last-out"),
)
LOG = tuple({"step": n, "epoch": n / 4, "loss": 5 / n} for n in range(1, 9))
VALID = ({"step": 4, "epoch": 1.0, "valid_ndcg@10": 0.06}, {"step": 8, "epoch": 2.0, "valid_ndcg@10": 0.08})


def build(*, name: str = "llm", prompt: str = "A, B, C") -> Report:
    cost = Cost(train_seconds=431.0, tokens_per_second=812.4, peak_memory_gib=5.25, device="cpu")
    example = PromptExample(text=prompt, tokens=1234, encoding="text")
    return Report(
        results=(
            result(name, 0.083, cost=cost, prompt=example, learning=LOG + VALID),
            result("gru", 0.098, cost=Cost(latency_p50_ms=1.24, latency_p95_ms=2.5)),
            result("popularity", 0.045, cost=Cost()),
        ),
        compared=(
            comparison("gru", mine=0.083, theirs=0.098, p=0.3),
            comparison("popularity", mine=0.083, theirs=0.045, p=0.0002),
        ),
        context=CONTEXT,
        versions={"llmrec": "0.1.0"},
        machine={"cpus": 2},
    )


def card(title: str, **more: Any) -> dict[str, Any]:
    evidence = [{"title": title, "contribution": 0.4}, {"title": "other", "contribution": -0.1}]
    recommendation = {
        "rank": 1,
        "title": title,
        "meta": {"genre": "Drama", "year": 1994},
        "reason": f"Because of {title}",
        "evidence": evidence,
        "backend": "template",
    }
    history = [{"title": title, "meta": "1994"}, *(f"past {n}" for n in range(14))]
    return {
        "user_id": "7",
        "history": history,
        "recommendations": [recommendation],
        "answer": title,
        "answer_rank": 1,
    } | more


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


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures out where a test is about the rest."""
    monkeypatch.setattr(plots, "metric_bars", lambda results, columns: "")
    for name in ("learning_curves", "by_history"):
        monkeypatch.setattr(plots, name, lambda results: None)
    monkeypatch.setattr(plots, "against_cost", lambda results, column: None)


@pytest.mark.usefixtures("no_figures")
def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    report = build().with_showcase([card("Film")], written_by_llm=3, replaced_by_template=2)
    report.save(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    assert Report.load(tmp_path / "out") == report
    assert Report.from_dict(report.to_dict()) == report
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == report.to_dict()


@pytest.mark.usefixtures("no_figures")
def test_saving_again_replaces_the_earlier_report(tmp_path: Path) -> None:
    build().save(tmp_path)
    build(name="other").save(tmp_path)
    assert Report.load(tmp_path).results[0].model == "other"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("no_figures")
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match=r"writing .*report.html failed"):
        build().save(tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is damaged"), ("[]", "is not a report"), ("{}", "results: Field required")]
)
def test_a_damaged_report_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        Report.load(tmp_path)
    with pytest.raises(DataError, match="there is no report at"):
        Report.load(tmp_path / "elsewhere")


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


def test_a_report_from_before_all_three_were_counted_is_read() -> None:
    values = build().with_showcase([], written_by_llm=3, replaced_by_template=2).to_dict()
    del values["reasons"]["written_by_template"]
    read_back = Report.from_dict(values)
    assert read_back.reasons is not None
    assert read_back.reasons.written_by_template == 0


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


def test_the_figures_are_the_same_every_time() -> None:
    results = build().results
    assert plots.metric_bars(results, ["ndcg@10"]) == plots.metric_bars(results, ["ndcg@10"])


def test_a_model_without_a_log_has_no_curves() -> None:
    assert plots.learning_curves(build().results[1:]) is None


def test_verdicts_say_what_the_numbers_say() -> None:
    assert build().verdicts == [
        "llm scores 0.083 in NDCG@10 (95 % interval 0.073 to 0.093).",
        "For 8.3% of the 943 people, its 10 suggestions held the very item they chose next.",
        "0.85 times gru's 0.098 [0.088, 0.108]: the two are not distinguishable "
        "(p = 0.30; the intervals overlap).",
        "1.84 times popularity's 0.045 [0.035, 0.055]: higher, and more than chance explains "
        "(p < 0.001; the intervals do not overlap).",
        "Highest NDCG@10 of all: gru, 0.098 [0.088, 0.108].",
    ]


def test_a_difference_must_stand_up_to_all_comparisons() -> None:
    corrected = [
        row.model_copy(update={"p_value": 0.03, "p_adjusted": 0.06, "comparisons": 2}) for row in build().compared
    ]
    report = build().model_copy(update={"compared": tuple(corrected)})
    assert "not distinguishable (p = 0.060 for 2 comparisons by Holm; the" in report.verdicts[2]
    assert "not distinguishable (p = 0.060 for 2 comparisons by Holm; the" in report.verdicts[3]


def test_markdown_table() -> None:
    lines = build(name="llm|x").to_markdown().splitlines()
    assert lines[0].startswith("| model | NDCG@10 | Recall@10 | MRR@10 | training |")
    assert lines[2].startswith("| llm\\|x | 0.083 [0.073, 0.093] |")
    assert lines[2].endswith("| 7 min 11 s | 812 | 5.2 GiB | – | cpu |")
    assert lines[3].startswith("| gru | **0.098** [0.088, 0.108] |")
    assert "| 1.2 / 2.5 ms |" in lines[3]
    assert len(lines) == 5


def test_all_models_at_zero_still_make_a_figure() -> None:
    zero = result("none", 0.0).model_copy(update={"metrics": {"ndcg@10": Interval(mean=0, low=0, high=0)}})
    assert plots.metric_bars([zero], ["ndcg@10"]).startswith("<svg")


def test_repr_is_the_table() -> None:
    text = repr(build())
    assert "films, test fold of leave-last-out: 943 users, 1,682 items" in text
    assert "0.083 [0.073, 0.093]" in text


def test_a_wrong_card_names_its_field() -> None:
    with pytest.raises(DataError, match=r"card: recommendations\.0\.rank: Input should be a valid integer"):
        build().with_showcase([card("x", recommendations=[{"rank": "first", "title": "x"}])])


@pytest.mark.usefixtures("no_figures")
def test_a_card_may_leave_things_out_and_say_more() -> None:
    plain = {"user_id": "1", "history": [], "recommendations": [], "note": "kept"}
    report = build().with_showcase([plain])
    assert report.to_dict()["cards"][0]["note"] == "kept"
    assert "1 person, close up" in report.to_html()
    assert "Really chose next" not in report.to_html()
