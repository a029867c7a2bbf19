"""Answer all users of a run, or some, in a folder of Parquet parts: one call, which goes on where it stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from llmrec import artifact
from llmrec.data.ids import whole_number
from llmrec.errors import ArtifactError, DataError
from llmrec.jobs.answers import ROWS_PER_PART, JobKind, JobSpec, Wording
from llmrec.jobs.engines import Work, on_ray, on_this_process
from llmrec.jobs.folder import CHOSEN, JobFolder, disk_space, whole_file
from llmrec.jobs.lists import ListOptions
from llmrec.jobs.progress import PartProgress
from llmrec.jobs.user_parts import Source, UserPart, copy_events, hash_of, parts_of, read_user_ids, source_of
from llmrec.models.ranker import Ranker, no_item_vectors, no_user_vectors
from llmrec.models.registry import class_of
from llmrec.models.run_files import BasePaths, paths_of, read_items
from llmrec.resources.cache import named, sha256_of
from llmrec.resources.locks import exclusive
from llmrec.retrieval import Calibration, Filter
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.run_items import journal_of

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class BatchResult:
    """A complete batch job: its folder, all its users and parts, and how many parts this call wrote.

    >>> BatchResult(Path("answers"), n_users=60, n_parts=1, written=0).n_users
    60
    """

    folder: Path
    n_users: int
    n_parts: int
    written: int


def batch(
    run: str | Path,
    out: str | Path,
    *,
    job: JobKind = "recommend",
    k: int = 10,
    exclude_seen: bool | None = None,
    filter: Filter | None = None,
    diversity: Diversity | None = None,
    users: str | Path | Iterable[object] | None = None,
    data: str | Path | None = None,
    engine: Engine = "local",
    workers: int | None = None,
    rows_per_part: int | None = None,
    wording: Wording | None = None,
    base: BasePaths | None = None,
    progress: bool = False,
) -> BatchResult:
    """Answer every user of a run exactly once, into ``out/part-*.parquet``; ``out/job.json`` says of what.

    ``job``: "recommend" writes ``user_id, item_id, rank, score``, "embed" ``user_id, vector``, "explain" the table
    of ``llmrec.explain``, each for ``k`` items. ``exclude_seen``, ``filter``, ``diversity``: as ``recommend`` has
    them. ``users``: ids, or a file of them; ``data``: the folder or name of the data that has their histories, by
    default the run. A part holds at most ``rows_per_part`` rows, but at least a user's. ``engine`` "ray" has
    ``workers`` processes, by default one a CPU, and survives the death of one. ``base``: see ``llmrec.load``.

    The same call goes on where one stopped. Memory does not grow with the number of users, but for "explain",
    which counts over all histories of the run. Raises ArtifactError where ``out`` holds something else,
    WriteConflict where another process writes there, DataError for bad arguments, FullDisk and MissingExtra.

    >>> import llmrec, llmrec.data
    >>> model = llmrec.models.PopularityRecommender().fit(llmrec.data.toy_films())
    >>> model.save("run"); batch("run", "answers", k=5).n_users
    60
    """
    folder, path = named(Path(out)), Path(run)
    _check_arguments(job, engine, workers, folder)
    rows = whole_number(rows_per_part if rows_per_part is not None else ROWS_PER_PART[job], label="rows_per_part")
    spec = JobSpec(job, k, wording or Wording(), ListOptions(exclude_seen, filter, diversity))
    description: dict[str, Any] = {"run": _checked_run(path, spec)}
    source = source_of(path, data)
    ids = None if users is None else read_user_ids(users)
    users_hash = "all" if ids is None else hash_of(ids)
    description |= {"data": source.fingerprint, "users": users_hash, **spec.description(), "rows_per_part": rows}
    events = partial(_events_file, source, ids, folder)
    with exclusive(folder), disk_space(folder), _unknown_items_said_once():
        begun = JobFolder.open(folder, description, lambda: _divided(spec, rows, path, events()))
        left = begun.open_parts()
        if left:
            work = Work(path, paths_of(base), events(), folder, spec)
            steps = on_ray(work, left, workers) if engine == "ray" else on_this_process(work, left)
            with PartProgress(f"batch {job}", begun.parts, left, shown=progress) as bar:
                bar.follow(steps)
        begun.complete()
    return BatchResult(folder, sum(part.n_users for part in begun.parts), len(begun.parts), len(left))


def _divided(spec: JobSpec, rows: int, run: Path, events: Path) -> list[UserPart]:
    return parts_of(events, spec.users_per_part(rows, len(read_items(run))))


def _check_arguments(job: str, engine: str, workers: int | None, folder: Path) -> None:
    """Raise DataError for arguments that do not go together, ArtifactError where a file is in the way."""
    if job not in get_args(JobKind) or engine not in get_args(Engine):
        raise DataError(f"no batch job '{job}' on '{engine}'; choose recommend, embed or explain, on local or ray")
    if workers is not None and engine != "ray":
        raise DataError(f"workers={workers} is of the engine ray: add --engine ray, or leave --workers out")
    if workers is not None:
        whole_number(workers, label="workers")
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(f"{folder} is a file; name a new folder with --out")


def _checked_run(run: Path, spec: JobSpec) -> str:
    """Return a run's fingerprint, and how often its items changed.

    Raises ArtifactError, and DataError for one that cannot do the job.
    """
    known = class_of(artifact.read(run, verify=False).kind)
    if spec.kind == "embed" and known is not None and known.embed_users is Ranker.embed_users:
        raise no_user_vectors(known.kind)
    unlike = spec.lists.diversity and not isinstance(spec.lists.diversity, Calibration)
    if unlike and known is not None and known.item_vectors is Ranker.item_vectors:
        raise no_item_vectors(known.kind)
    spec.lists.check(run)
    digest, n_changes = sha256_of(run / artifact.MANIFEST), journal_of(run).last()
    return f"{digest}, {n_changes} changes" if n_changes else digest


def _events_file(source: Source, ids: Any, folder: Path) -> Path:
    """Return the file of the users' events: the source's own, or a copy in the job's folder of those asked for."""
    if source.path is not None and ids is None:
        return source.path
    path = folder / CHOSEN
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with whole_file(path) as temporary:
                copy_events(source, ids, temporary)
        except DataError:
            with suppress(OSError):  # it is there and holds something
                folder.rmdir()
            raise
    return path


@contextmanager
def _unknown_items_said_once() -> Iterator[None]:
    """Let models say once, not for every part, that histories hold items which the catalog lacks."""
    logger = logging.getLogger("llmrec.models.arguments")
    passed = list[str]()

    def first(record: logging.LogRecord) -> bool:
        passed.append(record.getMessage())
        return len(passed) == 1

    filtering: Callable[[logging.LogRecord], bool] = first
    logger.addFilter(filtering)
    try:
        yield
    finally:
        logger.removeFilter(filtering)
