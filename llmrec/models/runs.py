"""Fit into a run directory: written at the end, whole; an interrupted run continues where it stopped."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from llmrec import artifact
from llmrec.config import Recipe
from llmrec.data import Dataset, Split
from llmrec.data.catalog_changes import CatalogChange
from llmrec.data.splits.leaks import guard
from llmrec.data.splits.named import NONE
from llmrec.errors import ArtifactError, DataError, InputError
from llmrec.models.arguments import fit_arguments
from llmrec.models.base import Recommender
from llmrec.models.continuation import Continuation
from llmrec.models.continued_settings import settled
from llmrec.models.no_validation import complete_for
from llmrec.models.registry import as_written_now, complete_recipe, from_recipe, load, with_absolute_paths
from llmrec.models.run_changes import VERBS, RunChanges
from llmrec.models.run_files import BasePaths, check_metadata, fitted_before
from llmrec.models.start import Start, check_follow
from llmrec.models.trained_on import check_trained_on, shown
from llmrec.resources.bounded import UnreadableError, read_json
from llmrec.resources.cache import named
from llmrec.resources.locks import exclusive
from llmrec.retrieval.run_items import require_no_changes
from llmrec.training import distributed, fsdp

log = logging.getLogger(__name__)
OTHERS = {
    "recipe": "another recipe",
    "continued": "another run that it goes on from",
    "started": "another run that it starts from",
}


def fit_run(
    recipe: Recipe | str | Path,
    data: Dataset,
    split: Split,
    out: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    allow_leaks: Iterable[str] = (),
    base: BasePaths | None = None,
    continue_from: str | Path | None = None,
    start_from: str | Path | None = None,
) -> Recommender:
    """Train a recipe, or that of a name, on a split and write the run directory ``out``. Returns the fitted model.

    The run keeps the split, so that ``run_split`` can cut the same data again. The leak guards run first;
    ``allow_leaks`` names errors to let pass, which the manifest records. Checkpoints live in the sibling
    ``out.work`` until the run is complete. With ``resume`` a complete run of the same recipe and data is loaded,
    and an interrupted one continued. ``base``: see ``load``. ``continue_from``: a finished run whose weights
    training begins at, in a way that ``continued_settings.settled`` says; its events must be among those of
    ``data``. What has no such weights is fitted anew. ``start_from``: a finished run of another LLM recipe on the
    same data, whose heads training begins at; see ``train.follow_steps``. Raises RecipeError for a recipe of
    another network, DataError for other data than the run's with more, ArtifactError if ``out`` exists without
    ``resume``, or holds a run of something else, LeakError, and WriteConflict where another process writes it.
    Processes launched together train together; the first of them writes, and ``out`` is one folder for all.

    >>> from llmrec.data import toy_films
    >>> fit_run(Recipe(model="markov"), toy_films(), Split.leave_last_out(toy_films()), "run", progress=False).kind
    'markov'
    """
    folder, recipe = named(Path(out)), fit_arguments(recipe, data, split)
    complete = complete_recipe(with_absolute_paths(recipe))
    origin = _origin(complete, continue_from, start_from, base=base)
    complete = complete_for(settled(complete, origin, given=recipe.changed), split)
    mark = {"recipe": complete.to_yaml(), "split": split.hash} | _fingerprints(origin)
    if not complete.train.model_fields_set:  # counted, or in closed form, or of several members
        distributed.require_one(f"model={recipe.model}")
    with distributed.lost_process(), ExitStack() as locked:
        fsdp.start(complete, n_histories=len(split.train.histories))
        distributed.on_first(lambda: locked.enter_context(exclusive(folder)))
        leaks = distributed.on_first(lambda: _checked(folder, mark, split, resume=resume, allow_leaks=allow_leaks))
        if leaks is None:
            return load(folder, base=base if has_base(folder) else None)
        model, work = from_recipe(complete), work_dir(folder)
        if origin is not None:
            split = origin.begin(model, split)
        distributed.on_first(lambda: _claim(work, mark, resume=resume))
        with _nothing_left(folder, work):
            model.fit(split.train, valid=split.valid, work_dir=work, progress=progress)
            _record(model, data, split, leaks, origin)
            distributed.on_first(lambda: model.save(folder, split=split))
        return model


def _origin(
    recipe: Recipe, continue_from: str | Path | None, start_from: str | Path | None, *, base: BasePaths | None
) -> Continuation | Start | None:
    """Read the run that training goes on or starts from. Raises DataError for both."""
    if continue_from is not None and start_from is not None:
        raise DataError("a training goes on from a run or starts from one: give either --continue or --from")
    if continue_from is not None:
        return Continuation.of(continue_from, base=base)
    if start_from is not None:
        return Start.of(start_from, base=base)
    check_follow(recipe)
    return None


def _fingerprints(origin: Continuation | Start | None) -> dict[str, str | None]:
    return {
        kind.recorded_as: origin.fingerprint if isinstance(origin, kind) else None
        for kind in (Continuation, Start)
    }


def _record(
    model: Recommender,
    data: Dataset,
    split: Split,
    leaks: list[dict[str, object]],
    origin: Continuation | Start | None,
) -> None:
    """Let a model know all events, and write to its metadata what it was trained on and went on from."""
    model.histories = data.histories
    model.metadata["split"] = {"name": split.name, "hash": split.hash}
    model.metadata["leaks"] = leaks
    removed = origin.stay_removed(data) if isinstance(origin, Continuation) else []
    if removed:
        model.remove_items(removed)
    if origin is not None:
        name = origin.recorded_as
        model.metadata[name] = origin.recorded() | model.metadata.get(name, {})


def _checked(
    folder: Path, mark: Mapping[str, str | None], split: Split, *, resume: bool, allow_leaks: Iterable[str]
) -> list[dict[str, object]] | None:
    """Return the leaks that a new run lets pass; None for a run that is there and is the one to make."""
    if not folder.exists():
        require_no_changes(folder)
        return guard(split, allow=allow_leaks)
    _check_finished(folder, mark, resume=resume)
    return None


@contextmanager
def _nothing_left(folder: Path, work: Path) -> Iterator[None]:
    """Remove what the block leaves in ``work``, but a checkpoint that an interrupted one can be continued from."""
    try:
        yield
    except BaseException as error:
        if distributed.is_first() and not is_resumable(folder):
            _log_nothing_left(folder, error)
            shutil.rmtree(work, ignore_errors=True)  # a second try must not be refused
        raise
    if distributed.is_first():
        shutil.rmtree(work, ignore_errors=True)
        if work.exists():  # a network drive keeps files that the model has open
            log.warning("%s cannot be removed now; the finished run does not need it", work)


def _log_nothing_left(folder: Path, error: BaseException) -> None:
    if not isinstance(error, InputError):  # which says itself that nothing began
        log.warning("%s: it ended before the first checkpoint: nothing is kept, a second try starts anew", folder)


def is_resumable(out: str | Path) -> bool:
    """Whether an unfinished run has a checkpoint, or a fitted member, to continue from."""
    return _has_checkpoint(work_dir(named(Path(out))))


def is_begun(out: str | Path) -> bool:
    """Whether a run is there, finished or not."""
    return named(Path(out)).exists() or work_dir(named(Path(out))).exists()


def work_dir(out: Path) -> Path:
    """Return where an unfinished run keeps its checkpoints."""
    return out.with_name(out.name + ".work")


def load_run(
    folder: str | Path, *, base: BasePaths | None = None, histories: bool = True, journal: bool = False
) -> Recommender:
    """Read a finished run, as ``load`` does. Raises ArtifactError; an interrupted one can be continued."""
    require_finished(folder)
    return load(folder, base=base, histories=histories, journal=journal)


def change_items(run: str | Path, verb: str, items: object) -> CatalogChange:
    """Write a change of a run's items beside it; whoever loads the run makes it. Returns it.

    ``verb``: add, update or remove, of a table as ``Recommender.add_items`` and so on take it; remove also of ids.
    Nothing is encoded here. Raises DataError for what these refuse, and ArtifactError.
    """
    model = load_run(run, histories=False)
    change = VERBS[verb](model.catalog, items)
    model.check_change(change)
    RunChanges(Path(run), n_made=model.n_changes).append(verb, change.given)
    return change


def require_finished(folder: str | Path) -> None:
    """Raise ArtifactError for an interrupted run."""
    folder = Path(folder)
    if not folder.exists() and work_dir(folder).is_dir():
        raise ArtifactError(
            f"{folder} is an interrupted run ({work_dir(folder).name} holds its checkpoints); "
            "continue it with: llmrec fit ... --resume"
        )


def has_base(folder: str | Path) -> bool:
    """Whether a run was trained on a base model. Raises ArtifactError."""
    return artifact.read(Path(folder), verify=False).metadata.get("base") is not None


def run_split(models: Mapping[str, Recommender], data: Dataset, *, given: str | None = None) -> Split:
    """Split ``data`` as it was split for the runs ``models``, by their folders, which are to be evaluated on it.

    ``given``: a name or a folder (see ``Split.open``); by default the split that the runs were trained on, and
    leave-last-out where none says so. Raises DataError for runs of different splits, and for a run that was
    trained on another split than this or on other data: it may have seen the answers.
    """
    trained_on = {run: model.metadata["split"] for run, model in models.items() if model.metadata.get("split")}
    run, first = next(iter(trained_on.items()), (None, None))
    for other, theirs in trained_on.items():
        if first is not None and theirs["hash"] != first["hash"]:
            raise DataError(
                f"{run} was trained on the split {shown(first)}, {other} on {shown(theirs)}: their numbers "
                "cannot be compared; evaluate runs of one split"
            )
    if given is not None:
        split = Split.open(given, data)
    elif run is not None and (Path(run) / artifact.SPLIT).is_dir():
        split = Split.load(Path(run) / artifact.SPLIT, data)
    else:
        split = Split.by_name(first["name"] if first else "leave-last-out", data)
    for name, model in models.items():
        check_trained_on(split, name, model)
    if split.name == NONE:
        raise DataError(
            f"{next(iter(models))} was trained on all events (the split none): nothing is held out to judge it "
            "by; fit a run of the same recipe with another split"
        )
    return split


def _check_finished(folder: Path, mark: Mapping[str, str | None], *, resume: bool) -> None:
    """Check that a folder holds the run that is to be made. Raises ArtifactError."""
    if not (folder / artifact.MANIFEST).exists():
        raise ArtifactError(f"{folder} is there and no run; name a new folder, such as --out {folder / 'run'}")
    if not resume:
        raise ArtifactError(f"{folder} exists already; choose another --out, remove it, or pass --resume")
    manifest = artifact.read(folder)
    check_metadata(manifest.metadata, folder)
    with fitted_before(folder):
        # Fields that came later have their defaults.
        written = complete_recipe(Recipe.load(folder / "recipe.yaml"))
    made = {
        "recipe": written.to_yaml(),
        "split": manifest.metadata.get("split", {}).get("hash"),
        **{one: manifest.metadata.get(one, {}).get("fingerprint") for one in ("continued", "started")},
    }
    _same(made, mark, folder)
    shutil.rmtree(work_dir(folder), ignore_errors=True)


def _claim(work: Path, mark: Mapping[str, str | None], *, resume: bool) -> None:
    """Make the work directory ours, or check that it already is."""
    note = work / "run.json"
    if work.exists():
        if not resume:
            raise ArtifactError(f"{work} holds an interrupted run: pass --resume to continue it, or remove it")
        try:
            begun = read_json(note)
            _same(begun | {"recipe": as_written_now(begun.get("recipe"))}, mark, work)
            if not _has_checkpoint(work):
                log.warning("%s: interrupted before the first checkpoint: training starts anew", work)
            return
        except (OSError, UnreadableError, AttributeError):  # killed before it was written: nothing to continue
            log.warning("%s: interrupted before the first checkpoint: training starts anew", work)
            shutil.rmtree(work)
    work.mkdir(parents=True)
    note.write_text(json.dumps(mark), encoding="utf-8")


def _has_checkpoint(work: Path) -> bool:
    from llmrec.training.checkpoints import SEAL

    return any(work.rglob(f"checkpoint-*/{SEAL}")) or any(work.glob(f"*/{artifact.MANIFEST}"))


def _same(made: Mapping[str, str | None], mark: Mapping[str, str | None], folder: Path) -> None:
    for name, value in mark.items():
        if made.get(name) != value:
            other = OTHERS.get(name, "other data")
            raise ArtifactError(f"{folder} is a run of {other}; choose another --out or remove it")
