"""``llmrec evaluate``: judge runs on the same questions."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec.cli.filter_options import diversity_of
from llmrec.cli.output import Json, draw, say, show

if TYPE_CHECKING:
    from llmrec.data import Split
    from llmrec.evaluation.report.report import Report
    from llmrec.evaluation.results import Card
    from llmrec.models import Ranker, Recommender
    from llmrec.retrieval.calibration import Diversity

SHOWN_HISTORY = 5  # of each person's newest events
Bases = Annotated[
    list[Path] | None,
    typer.Option("--base", metavar="PATH", help="As for `llmrec recommend`; several times for several bases."),
]
ProtocolName = Annotated[
    str | None,
    typer.Option("--protocol", help="How to judge; by default the protocol called as the split is."),
]
LeaksAllowed = Annotated[
    list[str] | None,
    typer.Option("--allow-leak", metavar="NAME", help="Judge although there is this leak; it is recorded."),
]
CalibrateBy = Annotated[
    str | None,
    typer.Option(
        "--calibrate",
        metavar="COLUMN",
        help="Every --diversity is the weight of lists as mixed as the history, by this column such as genres.",
    ),
]
Diversities = Annotated[
    list[float] | None,
    typer.Option("--diversity", help="Judge every run also with lists as diverse as this, 0 to 1."),
]


SplitOfRuns = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="NAME|DIR",
        help="The split to judge on, as for `llmrec fit`; by default the one that the runs keep.",
    ),
]
People = Annotated[
    int, typer.Option("--people", min=0, help="So many people, drawn at random, are shown close up, with reasons.")
]


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    data: Annotated[Path, typer.Option("--data", help="The data they were trained on, as for `llmrec fit`.")],
    out: Annotated[Path, typer.Option("--out", help="Where report.json and report.html go.")],
    split: SplitOfRuns = None,
    protocol: ProtocolName = None,
    allow_leak: LeaksAllowed = None,
    diversity: Diversities = None,
    calibrate: CalibrateBy = None,
    people: People = 3,
    base: Bases = None,
    as_json: Json = False,
) -> None:
    """Judge every run on what its split held out; the first run is compared with the others.

    Where runs predict responses (tasks in their recipe), these are judged too, with the class prior and a Markov
    chain, in responses.html. Runs of different splits, or trained on other events than this split's, are refused.
    """
    if calibrate is not None and not diversity:
        diversity_of(None, calibrate)
    wanted = {_called(one, calibrate): diversity_of(one, calibrate) or 0.0 for one in diversity or []}

    import llmrec
    from llmrec.evaluation.responses.runs import responses_of
    from llmrec.models.runs import has_base, load_run, run_split

    runs = list(dict.fromkeys(runs))
    models = {str(run): load_run(run, base=base if base and has_base(run) else None) for run in runs}
    held_out = run_split(models, llmrec.Dataset.load(data), given=split)
    named = dict(zip(_names(runs), models.values(), strict=True))
    report = llmrec.evaluate(
        _with_diverse(named, wanted),
        held_out,
        protocol=protocol,
        progress=True,
        date=datetime.date.today(),
        allow_leaks=allow_leak or (),
    )
    if people and len(held_out.test.histories):
        report = _with_people(report, next(iter(named.values())), held_out, people)
    report.save(out)
    responses = responses_of(named, held_out)
    if responses is not None:
        responses.save(out)
    if as_json:
        show(report.table, as_json=True)
        return
    _print(report)
    more = [] if responses is None else [responses.to_markdown(), out / "responses.html"]
    say(out / "report.html", *more)


def _print(report: Report) -> None:
    """Print tables, what they show, and people."""
    draw(report)
    say(*(f"- {verdict}" for verdict in report.verdicts))
    for card in report.cards:
        say(*_shown(card))


def _with_people(report: Report, model: Recommender, held_out: Split, people: int) -> Report:
    """Add people to look at, with what the first model recommends them; reasons are worded by the template."""
    from llmrec.evaluation.report.showcase import with_showcase
    from llmrec.reasons import TemplateNarrator

    return with_showcase(report, model, held_out.test, users=people, narrator=TemplateNarrator())[0]


def _shown(card: Card) -> Iterator[str]:
    """Write a person of the report in a few lines."""
    titles = [entry.title for entry in card.history[:SHOWN_HISTORY]]
    yield f"\nuser {card.user_id}: {'; '.join(titles)}{' ...' if len(card.history) > SHOWN_HISTORY else ''}"
    for one in card.recommendations:
        yield f"  {one.rank}. {one.title}: {one.reason}"
    if card.answer is not None:
        rank = "not ranked" if card.answer_rank is None else f"ranked {card.answer_rank}"
        yield f"  chosen next: {card.answer} ({rank})"


def _called(weight: float, column: str | None) -> str:
    """Name a diversity as reports do."""
    return f"diversity {weight:g}" if column is None else f"diversity {weight:g} by {column}"


def _with_diverse(models: Mapping[str, Recommender], diversities: Mapping[str, Diversity]) -> dict[str, Ranker]:
    """Return models by name, each followed by itself with diverse lists."""
    from llmrec.models import Diversified

    every: dict[str, Ranker] = {}
    for name, model in models.items():
        every[name] = model
        every |= {f"{name}, {called}": Diversified(model, one) for called, one in diversities.items()}
    return every


def _names(runs: list[Path]) -> list[str]:
    """Name runs by their folder, or by their whole path where two folders share a name."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]
