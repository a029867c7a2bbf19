"""Ask a trained run: ``recommend``, ``similar``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec.cli.arguments import BasePath, Count, Run, UsersFile, declare_options
from llmrec.cli.filter_options import FILTERS, LISTS, filter_of, lists_of
from llmrec.cli.histories import History, histories_of
from llmrec.cli.narrators import Backend, FormName, LanguageName, Model, Timeout, Tone, check_backend, narrator_of
from llmrec.cli.output import LONGEST_TITLE, Json, say, show
from llmrec.errors import DataError, Interrupted
from llmrec.printable import printable

if TYPE_CHECKING:
    import polars as pl

    from llmrec.data import Catalog, Histories
    from llmrec.models import Recommender

Users = Annotated[
    list[str] | None, typer.Option("--user", metavar="ID", help="A user of the training log; again for more.")
]
Everybody = Annotated[bool, typer.Option("--all", help="All users that the run knows, into --out.")]
FORMATS = (".parquet", ".csv", ".jsonl")  # those of llmrec.jobs, which takes long to import
OutFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write there instead: a new .parquet, .csv or .jsonl file."),
]


def recommend(
    run: Run,
    user: Users = None,
    history: History = None,
    everybody: Everybody = False,
    users: UsersFile = None,
    out: OutFile = None,
    k: Count = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Add a reason to each item.")] = False,
    backend: Backend = "auto",
    name: Model = None,
    timeout: Timeout = 30.0,
    language: LanguageName = "en",
    form: FormName = "sentence",
    tone: Tone = "plain",
    base: BasePath = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    """What a user does next, several users, or all.

    With --out the lists go to one file, with titles, written whole or not at all; memory does not grow with the
    number of users, and the same command goes on where it stopped. `llmrec batch` writes parts, vectors, reasons.
    """
    if sum([bool(user), history is not None, everybody, users is not None]) != 1:
        raise DataError(
            "say whose history: --user ID, --history ID,ID,..., --users FILE, or --all with --out FILE"
        )
    check_backend(backend, name)
    if not explain:
        _check_no_wording(backend=backend, language=language, form=form, tone=tone)
    if everybody and out is None:
        raise DataError("--all needs --out FILE: a .parquet, .csv or .jsonl file to write")
    if out is not None:
        _check_out(out, history, "--explain" if explain else "--json" if as_json else None)
        _write(run, out, None if everybody else user or users, k=k, base=base, options=options)
        return
    lists = lists_of(options)
    from llmrec.models.runs import load_run

    model = load_run(run, base=base).for_scores()
    narrator = narrator_of(model, backend, name, timeout)
    histories = _several(model, user or users) if history is None else histories_of(model, None, history)
    recs = model.recommend(histories, k, **lists)
    _note_few(recs, k, len(histories))
    table = _titled(model.catalog, recs)
    if explain:
        wording = {"language": language, "form": form, "tone": tone}
        table = _with_reasons(table, model, histories, narrator=narrator, **wording)
    _show(table, several=len(histories) > 1 or users is not None, as_json=as_json, language=language)


def similar(
    run: Run,
    item: Annotated[str, typer.Option("--item", help="An item id.")],
    k: Count = 10,
    base: BasePath = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Which items are most like one."""
    from llmrec.models.runs import load_run, require_finished
    from llmrec.models.saved_vectors import similar_in_run

    require_finished(run)
    chosen = filter_of(**options)
    saved = None if base else similar_in_run(run, [item], k, filter=chosen)
    if saved is None:
        model = load_run(run, base=base, histories=False)
        saved = model.similar_items([item], k, filter=chosen), model.catalog
    similar_items, catalog = saved
    table = similar_items.select("similar_id", "rank", "score").rename({"similar_id": "item_id"})
    show(_titled(catalog, table), as_json=as_json)


declare_options(recommend, LISTS)
declare_options(similar, FILTERS)


def _check_out(out: Path, history: str | None, option: str | None) -> None:
    """Raise DataError for options that a file cannot have."""
    if history is not None:
        raise DataError(
            "--out is for users that the run knows: --user, --users FILE or --all; leave out --history"
        )
    if option is not None:
        raise DataError(
            f"{option} is of printed lists: leave out --out, or use `llmrec batch` for files of reasons"
        )
    if out.suffix not in FORMATS:
        raise DataError(f"--out {out}: name a file that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if out.exists():
        raise DataError(f"{out} is there; name another --out, or remove it")


def _check_no_wording(**given: str) -> None:
    """Raise DataError for an option that says how reasons are worded, where none are."""
    defaults = {"backend": "auto", "language": "en", "form": "sentence", "tone": "plain"}
    for name, value in given.items():
        if value != defaults[name]:
            raise DataError(f"--{name} is of reasons: add --explain, or leave it out")


def _write(
    run: Path, out: Path, users: list[str] | Path | None, *, k: int, base: Path | None, options: dict[str, Any]
) -> None:
    """Write the lists of users, of all by default, to one file."""
    from llmrec.jobs import recommend_into
    from llmrec.models.runs import require_finished

    require_finished(run)
    try:
        result = recommend_into(run, out, k=k, users=users, base=base, progress=True, **lists_of(options))
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; the same command goes on after the last whole part") from error
    say(f"{out}: recommendations for {result.n_users:,} users")


def _several(model: Recommender, users: list[str] | Path | None) -> Histories:
    """Return the histories of users that a model knows. Raises DataError for one that it does not."""
    from llmrec.jobs.user_parts import read_user_ids

    return model.histories.of_users(read_user_ids(users or []))


def _with_reasons(table: pl.DataFrame, model: Recommender, histories: Histories, **wording: Any) -> pl.DataFrame:
    """Add a reason to each item, who worded it, and the heading that it stands under."""
    from llmrec.reasons import explain

    explanations = explain(model, table.drop("title"), histories, **wording)
    columns = (explanations["sentence"].alias("reason"), explanations["backend"], explanations["theme"])
    return table.with_columns(*columns)


def _note_few(recs: pl.DataFrame, k: int, n_users: int) -> None:
    if n_users == 1 and recs.height < k:
        say(f"only {recs.height} items are left to recommend", error=True)
    elif recs.height < k * n_users:
        n_short = n_users - recs.group_by("user_id").len().filter(len=k).height
        say(f"fewer than {k} items are left to recommend to {n_short:,} of {n_users:,} users", error=True)


def _show(table: pl.DataFrame, *, several: bool, as_json: bool, language: Any = "en") -> None:
    """Print lists; reasons stand below, where they have the whole width, under headings that several share."""
    has_reasons = not as_json and "reason" in table.columns
    shown = table if several else table.drop("user_id")
    show(shown.drop("reason", "backend", "theme") if has_reasons else shown, as_json=as_json)
    if not has_reasons:
        return
    from llmrec.reasons.themes import headed

    for (user,), rows in table.group_by("user_id", maintain_order=True):
        whose = f"{user} " if several else ""
        listed = rows.to_dicts()
        for heading, positions in headed(rows["theme"].to_list(), language):
            if heading:
                say("", f"{whose}{printable(heading, longest=LONGEST_TITLE)}")
            for row in (listed[n] for n in positions):
                title = printable(row["title"], longest=LONGEST_TITLE)
                say("", f"{whose}{row['rank']}. {title}: {row['reason']}")


def _titled(catalog: Catalog, table: pl.DataFrame) -> pl.DataFrame:
    return table.join(catalog.table.select("item_id", "title"), on="item_id", how="left", maintain_order="left")
