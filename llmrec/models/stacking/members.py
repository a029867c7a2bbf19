"""The members of a stacked model: their recipes, and fitting them so that an interrupted fit goes on."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from llmrec import artifact
from llmrec.artifact import MANIFEST
from llmrec.config import Recipe, names
from llmrec.data import Dataset, Fold
from llmrec.data.cleaning.item_texts import mostly_with_text
from llmrec.data.cleaning.log_times import are_ordered
from llmrec.data.columns import ITEM, TITLE
from llmrec.errors import ArtifactError, DataError, EncodingTooLong, MissingExtra, RecipeError
from llmrec.models.base import Recommender
from llmrec.models.continuation import ANEW, Continuation, Continues
from llmrec.models.continued_settings import settled
from llmrec.models.registry import class_of, complete_recipe, from_recipe, load, with_absolute_paths
from llmrec.models.run_files import BasePaths
from llmrec.models.stacking.sizes import Sizes, id_batch

log = logging.getLogger(__name__)

# What of a network's recipe the log says, and what only one over texts reads.
_SIZES = {"sequence.dim", "sequence.max_items", "train.max_minutes"}
_OF_TEXTS = {"id_residual", "item_dropout"}
MEMBERS = "members"  # the folder of a run that holds those of its members


def member_recipes(members: list[str], *, seed: int, sizes: Sizes | None = None) -> list[Recipe]:
    """Load the recipe of each member, a name or file with changes after it: "item-knn counting.half_life=30".

    ``seed`` is that of members which have none among their changes. ``sizes`` replace what a shipped recipe says,
    unless a change says it; the minutes that a change bounds may grow by them. Raises RecipeError for one that is
    not there or not right, and for a stacked one.
    """
    recipes = []
    for written in members:
        try:
            name, *changes = shlex.split(written) or [""]
        except ValueError as error:
            raise RecipeError(f"stack.members: {written!r} cannot be read ({error})") from error
        recipe = complete_recipe(Recipe.load(name, set=[f"seed={seed}", *changes]))
        if recipe.model == "stacked":
            raise RecipeError(f"stack.members: {written} is stacked itself; name its members")
        if sizes is not None and name in names():
            sized = [f"seed={seed}", *sizes.changes(recipe), *changes, *sizes.longer(recipe)]
            recipe = complete_recipe(Recipe.load(name, set=sized))
        recipes.append(with_absolute_paths(recipe))  # as the run of the member writes it
    return recipes


def sized_recipes(recipe: Recipe, data: Dataset) -> list[Recipe]:
    """Load the recipes of a stack's members for a training set, with its sizes where they follow the log.

    What they become, and why, is logged.
    """
    stack, every, most = recipe.stack, recipe.stack.every_member, recipe.stack.max_minutes
    written = stack.members if are_ordered(data.steps) else every
    recipes = member_recipes(written, seed=recipe.seed)
    if stack.sizes == "as_written" or not any(one.train.model_fields_set for one in recipes):
        return recipes
    sizes = Sizes.of(data, most_minutes=most)
    sized = member_recipes(written, seed=recipe.seed, sizes=sizes)
    pairs = zip(recipes, sized, strict=True)
    longer = [
        f"{new.name} {new.train.max_minutes:g}"
        for old, new in pairs
        if new.train.max_minutes not in (None, old.train.max_minutes)
    ]
    minutes = f", more minutes at most ({', '.join(longer)})" if longer else ""
    log.info("%s: %s%s", recipe.name, sizes, minutes)
    return sized


def fit_members(
    recipes: list[Recipe],
    data: Dataset,
    *,
    valid: Fold | None,
    work_dir: Path | None,
    progress: bool,
    continuations: Sequence[Continuation | None] = (),
) -> list[Recommender]:
    """Fit every member; one is left out and said that the data cannot feed, whose extra is not installed, or whose
    texts alone would take longer to encode than its training may; where it has ids, too, a network over them takes
    its place. But no network that goes on from a run: what is refused of it alone would be lost in the stack.

    Rules are fitted before networks, so that what cannot be fetched is known before hours of training. With
    ``work_dir`` a fitted member is kept there as a run, and loaded when the fit is repeated. ``continuations``:
    the run that each goes on from, None where it begins; by default all do. Raises DataError or MissingExtra where
    none is left, and where a network cannot go on.
    """
    fitted: dict[int, Recommender] = {}
    refusal: DataError | MissingExtra | EncodingTooLong | None = None
    waiting = sorted(enumerate(recipes), key=lambda numbered: _is_network(numbered[1]))
    while waiting:
        n, recipe = waiting.pop(0)
        run = continuations[n] if continuations else None
        try:
            model = from_recipe(recipe)
            if run is None:
                require_texts(model, data)
            elif isinstance(model, Continues):
                model.continuation = run
            fitted[n] = _fitted(n, model, data, valid=valid, work_dir=work_dir, progress=progress)
        except (DataError, MissingExtra, EncodingTooLong) as error:
            if run is not None and _is_network(recipe):
                raise
            refusal = error
            log.warning("%s is left out of the stack: %s", recipe.name, error)
            if (instead := without_texts(recipe)) is not None:
                waiting.insert(0, (n, instead))
    if not fitted and refusal is not None:
        raise refusal
    return [fitted[n] for n in sorted(fitted)]


def without_texts(recipe: Recipe) -> Recipe | None:
    """Return the network over ids alone that takes the place of one over texts and ids; None for any other.

    It is the shipped one, with the sizes and minutes of the other, and what else was changed of that one's recipe.
    """
    if not recipe.sequence.id_residual:
        return None
    before = _values(complete_recipe(Recipe.load(recipe.name))) if recipe.name in names() else {}
    changes = {
        field: value
        for field, value in _values(recipe).items()
        if field in _SIZES or (before and value != before.get(field))
    }
    changes["train.batch_tokens"] = id_batch(recipe.train.batch_tokens)
    return complete_recipe(Recipe.load(recipe.model.replace("-text", ""), set={"seed": recipe.seed, **changes}))


def _values(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of the sections that networks over texts and over ids both have."""
    return {
        f"{section}.{name}": value
        for section in ("sequence", "history", "train")
        for name, value in getattr(recipe, section).model_dump().items()
        if name not in _OF_TEXTS
    }


def readable(recipes: list[Recipe], data: Dataset) -> list[Recipe]:
    """Return recipes of which those that read texts are left out, or replaced, where items have none."""
    result = list[Recipe]()
    for recipe in recipes:
        try:
            require_texts(from_recipe(recipe), data)
            result.append(recipe)
        except DataError:
            result += filter(None, [without_texts(recipe)])
    return result


def require_texts(model: Recommender, data: Dataset) -> None:
    """Raise DataError for a model that has nothing but texts to know items by, where items have none."""
    items = data.catalog.table
    if "text" in model.sections and set(items.columns) <= {ITEM, TITLE} and not mostly_with_text(items):
        raise DataError("it reads what items are called, and most have no text but their id")


def is_begun(work_dir: Path | None) -> bool:
    """Whether a fit that is repeated has left a member there, or a part of one."""
    return work_dir is not None and any(path.is_dir() for path in work_dir.glob("*-*"))


def _is_network(recipe: Recipe) -> bool:
    kind = class_of(recipe.model)
    return kind is not None and kind.scores_are_logits


def _fitted(
    n: int, model: Recommender, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool
) -> Recommender:
    run = None if work_dir is None else work_dir / member_folder(n, model)
    if run is not None and (run / MANIFEST).exists():
        return _same(load(run), model.recipe, data, run)
    checkpoints = None if run is None else run.with_name(run.name + ".work")
    model.fit(data, valid=valid, work_dir=checkpoints, progress=progress)
    if isinstance(model, Continues) and model.continuation is not None:
        model.metadata[Continuation.recorded_as] = model.continuation.recorded()
    if run is not None:
        model.save(run)
    return model


def _same(member: Recommender, recipe: Recipe, data: Dataset, run: Path) -> Recommender:
    """Return a member of an earlier try. Raises ArtifactError for one of another recipe or other events."""
    if member.recipe == recipe and member.metadata["data"]["fingerprint"] == data.fingerprint:
        return member
    raise ArtifactError(
        f"{run} holds {member.recipe.name} as it was fitted by another recipe or on other events; remove "
        f"{run.parent} to fit the stack anew"
    )


def member_folder(n: int, member: Recommender) -> str:
    """Return the name of a member's folder in a run."""
    return f"{n}-{member.kind}"


def going_on(continuation: Continuation, recipe: Recipe) -> tuple[list[Recipe], list[Continuation | None]]:
    """Return the recipes of the members of a stack that goes on from a run, and the run of each, None: it begins.

    The sizes are the run's: those that follow the log must not follow its growth, or weights would not fit. After
    the one member of a run that fell back come the rules that it left out, which begin.
    """
    folder, members = continuation.run / MEMBERS, cast("Any", continuation.model).members
    runs = [continuation.member(folder / member_folder(n, member), member) for n, member in enumerate(members)]
    recipes = [settled(run.model.recipe, run, given=frozenset()) for run in runs]
    written = member_recipes(recipe.stack.every_member, seed=recipe.seed)
    instead = filter(None, map(without_texts, written))
    left_out = _left_out_rules(continuation, [*written, *instead])
    return [*recipes, *left_out], [*runs, *[None] * len(left_out)]


def _left_out_rules(continuation: Continuation, recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return which of a stack's recipes are rules that a run left out when it fell back on its best member.

    What counts is soon counted anew, and may be worth something beside that member by now. Networks that were left
    out are not in the run: they stay out, and all of it is logged.
    """
    left_out = continuation.model.metadata.get("stack", {}).get("left_out")
    if not left_out:
        return []
    # By name, too: the sizes and settings of the network that stayed are not those of its recipe.
    present = [_but_seed(one.recipe) for one in cast("Any", continuation.model).members]
    others = [recipe for recipe in recipes if recipe.name in left_out and _but_seed(recipe) not in present]
    rules = [recipe for recipe in others if not _is_network(recipe)]
    names = ", ".join(recipe.name for recipe in rules) or "no rule"
    log.info("%s: it fell back on one member, which is weighed anew with %s", continuation.run, names)
    networks = ", ".join(recipe.name for recipe in others if _is_network(recipe))
    if networks:
        log.warning("%s: %s stay left out: the run does not hold them; %s", continuation.run, networks, ANEW)
    return rules


def _but_seed(recipe: Recipe) -> dict[str, Any]:
    return {name: value for name, value in recipe.model_dump().items() if name != "seed"}


def save_members(members: Sequence[Recommender], run: Path) -> None:
    """Write the members into a run, each as a run."""
    for n, member in enumerate(members):
        member.save(run / MEMBERS / member_folder(n, member))


def load_members(run: Path, *, base: BasePaths | None, histories: bool = True) -> list[Recommender]:
    """Load the members of a run in their order; only one that has a base model is given ``base``.

    Raises ArtifactError where there is none, and for folders that are no members in a row.
    """
    folder = run / MEMBERS
    paths = sorted(folder.iterdir(), key=lambda path: (len(path.name.split("-")[0]), path.name))
    members = list[Recommender]()
    for n, path in enumerate(paths):
        has_base = artifact.read(path, verify=False).metadata.get("base") is not None
        member = load(path, base=base if has_base else None, histories=histories)
        if path.name != member_folder(n, member):
            raise ArtifactError(f"{path} is not member {n} of this run; restore it or train again")
        members.append(member)
    if not members:
        raise ArtifactError(f"{folder} holds no member; restore it or train again")
    return members
