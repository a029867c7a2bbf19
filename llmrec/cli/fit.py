"""``llmrec fit``: train a recipe on prepared data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec.cli.arguments import BasePath
from llmrec.cli.output import Json, say, show
from llmrec.errors import DataError, Interrupted

if TYPE_CHECKING:
    from llmrec.config import Recipe
    from llmrec.data import Split
    from llmrec.models import Recommender

RecipeName = Annotated[str, typer.Argument(help="A shipped recipe's name, or a .yaml file.")]
Data = Annotated[
    Path, typer.Option("--data", help="A folder made by `llmrec data prepare`, or a name from `llmrec data list`.")
]
Out = Annotated[Path | None, typer.Option("--out", help="The run directory to write.")]
DryRunOnly = Annotated[
    bool,
    typer.Option("--dry-run", help="Train 20 steps and say what the whole would take; writes nothing."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field, e.g. train.epochs=3."),
]
# As data.splits.named.held_out_by_name says it, which takes long to import.
HELD_OUT = (
    "leave-last-out (each user's last event, and the one before for validation), leave-last-k (the last 5, and 5 "
    "before), global-time (the last tenth of all events, and a tenth before), rolling-1-of-3 to rolling-3-of-3 (a "
    "window of time, and the one before), user-disjoint (a tenth of the users, and a tenth more), cold-items (a "
    "tenth of the items, and a tenth more), per-session (each user's last session, and the one before)"
)
How = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="NAME|DIR",
        help=f"What is held out for test and for validation: {HELD_OUT}; none, for production; or a folder "
        "written by `llmrec data split --out`.",
    ),
]
Continue = Annotated[
    Path | None,
    typer.Option(
        "--continue",
        metavar="RUN",
        help="Go on from this run's weights: --data holds its events and newer ones. An open-ended network does "
        "so for a quarter of the run's epochs, an LLM as its recipe says; see train.shrink and train.replay.",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Start from this run of another LLM recipe on the same data: its residuals, projections and heads; "
        "see train.follow_steps.",
    ),
]
Check = Annotated[
    bool,
    typer.Option("--check", help="With --continue: also fit anew on all events, into OUT-anew, and compare."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")]

AllowLeak = Annotated[
    list[str] | None,
    typer.Option("--allow-leak", metavar="NAME", help="Train although the data has this leak; it is recorded."),
]


Epochs = Annotated[
    str | None,
    typer.Option("--epochs", metavar="N|RUN", help="train.epochs; of a run: as many as were best in validation."),
]


def fit(
    recipe: RecipeName,
    data: Data,
    out: Out = None,
    split: How = "leave-last-out",
    epochs: Epochs = None,
    set: Set = None,
    resume: Resume = False,
    allow_leak: AllowLeak = None,
    base: BasePath = None,
    continue_from: Continue = None,
    check: Check = False,
    start_from: From = None,
    only_dry_run: DryRunOnly = False,
    as_json: Json = False,
) -> None:
    """Train a recommender on what a split does not hold out: by default all but each user's last two events.

    The run keeps its split, so that `llmrec evaluate` judges it on the events held out. With --continue
    training begins at a run's weights; both are judged on the events held out. For production:
    --split none --epochs RUN trains on all events, as long as RUN was best, and leaves nothing to judge by.
    """
    if out is None and not only_dry_run:
        raise DataError("say where the run is written with --out DIR, or pass --dry-run, which writes nothing")
    _check_continue(continue_from, out if check else None, split, only_dry_run=only_dry_run)
    _check_runs(start_from, base, reads_one=resume or continue_from is not None, only_dry_run=only_dry_run)
    loaded = _loaded(recipe, set)

    import llmrec
    from llmrec.models.dry_run import dry_run
    from llmrec.models.runs import is_begun

    if check and out is not None and not resume and is_begun(_anew(out)):
        raise DataError(f"--check fits into {_anew(out)}, which is there; remove it, or pass --resume")
    chosen = _checked(loaded, epochs, split, goes_on=continue_from is not None)
    table = llmrec.Dataset.load(data)
    held = llmrec.Split.open(split, table)
    if only_dry_run or out is None:
        show(dry_run(chosen, held, allow_leaks=allow_leak or ()).table, as_json=as_json)
        return
    if resume and not is_begun(out):
        say(f"{out}: there is nothing to continue: training starts anew", error=True)
    options = {"resume": resume, "allow_leaks": allow_leak or (), "base": base}
    model = _fit(chosen, held, out, continue_from=continue_from, start_from=start_from, **options)
    anew = _fit(chosen, held, _anew(out), **options) if check else None
    _say_fitted(model, held, out, data, error=as_json)
    if continue_from is not None and held.name != "none":
        _compare(model, continue_from, held, anew=anew, base=base, as_json=as_json)


def _loaded(name: str, changes: list[str] | None) -> Recipe:
    """Load a recipe. Raises RecipeError before anything heavy is loaded."""
    from llmrec.config import Recipe

    return Recipe.load(name, set=changes)


def _checked(chosen: Recipe, epochs: str | None, split: str, *, goes_on: bool) -> Recipe:
    """Return a recipe with its epochs, which one that goes on has from its run. Raises RecipeError early."""
    from llmrec.llm.bases import require_base
    from llmrec.models.continued_settings import leaves_open
    from llmrec.models.no_validation import require_epochs, with_epochs
    from llmrec.models.registry import complete_recipe

    complete_recipe(chosen)
    if chosen.model == "llm":
        require_base(chosen.backbone.base)
    if epochs is None:
        if not (goes_on and leaves_open(chosen, given=chosen.changed)):
            require_epochs(chosen, split)
        return chosen
    chosen = with_epochs(chosen, epochs, goes_on=goes_on)
    complete_recipe(chosen)
    return chosen


def _fit(recipe: Recipe, held: Split, out: Path, **options: Any) -> Recommender:
    """Say what is read of an item, and fit. Raises Interrupted where it can be continued."""
    from llmrec.models.item_lines import item_lines
    from llmrec.models.runs import fit_run, is_resumable

    for lines in item_lines(recipe, held.data.catalog):
        say(f"{recipe.name}: {lines}", error=True)
    try:
        return fit_run(recipe, held.data, held, out, **options)
    except KeyboardInterrupt as error:
        if not is_resumable(out):
            raise
        raise Interrupted("interrupted; the same command with --resume continues it") from error


def _say_fitted(model: Recommender, held: Split, out: Path, data: Path, *, error: bool) -> None:
    """Say what was fitted on how much, and what can be typed next."""
    took = f" in {model.metadata['cost']['train_seconds']:,.0f} s"
    say(f"{out}: {model.kind} trained on {held.train.events.height:,} events{took}", error=error)
    run = shlex.quote(str(out))
    if held.name == "none":
        say("nothing is held out: the run cannot be judged", error=error)
    else:
        queries = f"{held.test.answers.height:,} events of {len(held.test.histories):,} users"
        say(f"held out for test by {held.name} ({held.hash[:12]}): {queries}", error=error)
        say(
            f"next: llmrec evaluate {run} --data {shlex.quote(str(data))} --out {shlex.quote(f'{out}-report')}",
            error=error,
        )
    user = shlex.quote(model.histories.user_ids[0])
    say(f"next: llmrec recommend {run} --user {user}", error=error)
    say(f"next: llmrec recommend {run} --all --out {shlex.quote(f'{out}.parquet')}", error=error)


def _check_continue(continue_from: Path | None, checked: Path | None, split: str, *, only_dry_run: bool) -> None:
    """Raise DataError for options that do not go together, before anything is trained.

    ``checked``: the run that --check compares with one from scratch, beside it.
    """
    if continue_from is None and checked is not None:
        raise DataError("--check compares a run that went on from another: name that with --continue RUN")
    if checked is not None and split == "none":
        raise DataError("--check compares on events held out, and --split none holds none out: leave out one")
    if continue_from is not None and only_dry_run:
        raise DataError("--dry-run is of a training from scratch: leave out --continue")


def _check_runs(start_from: Path | None, base: Path | None, *, reads_one: bool, only_dry_run: bool) -> None:
    """Raise DataError for --from with --dry-run, and for --base where no run is read that has one."""
    if start_from is not None and only_dry_run:
        raise DataError("--dry-run is of a training from scratch: leave out --from")
    if base is not None and start_from is None and not reads_one:
        raise DataError(
            "--base says where the base model of a run lies that is read by --continue, --from or --resume; which "
            f"base is trained is the recipe's choice: --set backbone.base={shlex.quote(str(base))}"
        )


def _anew(out: Path) -> Path:
    """Return where --check fits on all events from scratch."""
    return out.with_name(f"{out.name}-anew")


def _compare(
    model: Recommender, run: Path, held: Split, *, anew: Recommender | None, base: Path | None, as_json: bool
) -> None:
    """Print what going on from a run was worth."""
    import llmrec
    from llmrec.evaluation.continued import continued_table
    from llmrec.models.runs import has_base

    before = llmrec.load(run, base=base if has_base(run) else None)
    show(continued_table(model, before, held, anew=anew), as_json=as_json)
