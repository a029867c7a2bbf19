"""The report: JSON there and back, verdicts, figures, tables for README and terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.report_examples import build, card, no_figures, result  # noqa: F401

from llmrec.errors import DataError, EnvironmentFault
from llmrec.evaluation import Report
from llmrec.evaluation.report import plots
from llmrec.evaluation.significance import Interval


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


def test_a_report_from_before_all_three_were_counted_is_read() -> None:
    values = build().with_showcase([], written_by_llm=3, replaced_by_template=2).to_dict()
    del values["reasons"]["written_by_template"]
    read_back = Report.from_dict(values)
    assert read_back.reasons is not None
    assert read_back.reasons.written_by_template == 0


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
