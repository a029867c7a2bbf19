"""Which class a ``kind`` is: the shipped recommenders, those registered here, and those of installed packages."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from llmrec import artifact
from llmrec.config import Recipe
from llmrec.errors import ArtifactError, InputError, RecipeError, RegistryError
from llmrec.models.base import Recommender
from llmrec.models.run_changes import RunChanges
from llmrec.models.run_files import BasePaths
from llmrec.plugins import imported, names_of, paths_of, require_one
from llmrec.resources.bounded import UnreadableError, parse_yaml

# The entry points of this group are read when a kind is looked up, never at import.
GROUP = "llmrec.recommenders"

SHIPPED = {
    "popularity": "llmrec.models.baselines.popularity:PopularityRecommender",
    "recent": "llmrec.models.baselines.popularity:RecentRecommender",
    "repeat-last": "llmrec.models.baselines.popularity:RepeatLastRecommender",
    "markov": "llmrec.models.baselines.markov:MarkovRecommender",
    "item-knn": "llmrec.models.baselines.item_knn:ItemKNNRecommender",
    "linear": "llmrec.models.baselines.linear:LinearRecommender",
    "ease": "llmrec.models.baselines.ease:EASERecommender",
    "als": "llmrec.models.baselines.als:ALSRecommender",
    "text": "llmrec.models.baselines.text:TextRecommender",
    "text-graph": "llmrec.models.baselines.text_graph:TextGraphRecommender",
    "gru": "llmrec.models.sequential.rnn:GRURecommender",
    "lstm": "llmrec.models.sequential.rnn:LSTMRecommender",
    "sasrec": "llmrec.models.sequential.sasrec:SASRecRecommender",
    "esasrec": "llmrec.models.sequential.esasrec:ESASRecRecommender",
    "bert4rec": "llmrec.models.sequential.bert4rec:BERT4RecRecommender",
    "gru-text": "llmrec.models.sequential.text_rnn:GRUTextRecommender",
    "lstm-text": "llmrec.models.sequential.text_rnn:LSTMTextRecommender",
    "gru-events": "llmrec.models.sequential.event_rnn:GRUEventRecommender",
    "lstm-events": "llmrec.models.sequential.event_rnn:LSTMEventRecommender",
    "gru-text-events": "llmrec.models.sequential.event_rnn:GRUTextEventRecommender",
    "llm": "llmrec.models.llm.recommender:LLMRecommender",
    "stacked": "llmrec.models.stacking.recommender:StackedRecommender",
}

_CLASS_PATH = re.compile(r"[\w.]+:[\w.]+")
_registered: dict[str, str] = {}


def register(kind: str, class_path: str) -> None:
    """Let recipes and runs name the recommender ``"package.module:Class"`` by its ``kind``.

    It is imported when it is first used. An installed package does the same for every process, the command line
    too, by an entry point of the group ``llmrec.recommenders``, named as the kind. Raises RegistryError for a
    path of another form and for a kind that another class has.

    >>> register("mine", "my_package.recommender:MyRecommender")
    """
    _check_path(kind, class_path)
    present = SHIPPED.get(kind) or _registered.get(kind)
    if present not in {None, class_path}:
        raise RegistryError(f"the kind '{kind}' of {class_path} is taken by {present}; choose another kind")
    _registered[kind] = class_path


def kinds() -> tuple[str, ...]:
    """Return every kind that can be fitted and loaded, the shipped ones first."""
    return tuple(dict.fromkeys((*SHIPPED, *_registered, *names_of(GROUP))))


def class_of(kind: str) -> type[Recommender] | None:
    """Return the recommender of a kind, None where nothing registers it.

    Raises RegistryError where two packages register it, where it cannot be imported, and where it is no
    recommender of this kind.
    """
    paths = _paths(kind)
    if not paths:
        return None
    source, path = require_one(f"kind '{kind}'", paths)
    module, _, name = path.partition(":")
    if kind in SHIPPED:
        shipped: type[Recommender] = getattr(importlib.import_module(module), name)
        return shipped
    return _checked(kind, source, path)


def from_recipe(recipe: Recipe) -> Recommender:
    """Make the unfitted recommender that a recipe describes.

    Raises RecipeError for an unknown model and for what it does not read, RegistryError for one of another package
    that cannot be used.

    >>> type(from_recipe(Recipe(model="markov"))).__name__
    'MarkovRecommender'
    """
    known = _class_for(recipe)
    return known.from_recipe(known.complete_recipe(recipe))


def complete_recipe(recipe: Recipe) -> Recipe:
    """Return a recipe with every field that its model reads, and no others: what a run writes.

    Raises RecipeError and RegistryError as ``from_recipe`` does.
    """
    return _class_for(recipe).complete_recipe(recipe)


def as_written_now(recipe: object) -> object:
    """Return a complete recipe's YAML of an earlier version as this one writes it.

    Fields that came later have their defaults. What cannot be read stays as it is.
    """
    if not isinstance(recipe, str):
        return recipe
    try:
        return complete_recipe(Recipe.of(parse_yaml(recipe))).to_yaml()
    except (UnreadableError, InputError):
        return recipe


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """Return a recipe with the files that it names by absolute paths. Raises as ``from_recipe`` does."""
    return _class_for(recipe).with_absolute_paths(recipe)


def load(
    folder: str | Path, *, base: BasePaths | None = None, histories: bool = True, journal: bool = False
) -> Recommender:
    """Read a run directory of any kind; without ``histories`` what it knows of users is left out.

    Changes of its items that were written beside it are made again. With ``journal`` every change that is made of
    the model is written there, too, before it is made (``add_items``, ``update_items``, ``remove_items``), or to
    the run (``forget_user``); otherwise it is gone with the model, unless that is saved as another run.

    ``base``: where the base LLM that it was trained on lies now, if neither where it was nor in a folder of the
    environment variable LLMREC_BASES; it must be the same model. Raises ArtifactError if it is not a complete,
    undamaged run of a known kind, RegistryError if that is another package's and cannot be used.

    >>> from llmrec.data import Histories, toy_films
    >>> from_recipe(Recipe(model="markov")).fit(toy_films()).save("run")
    >>> load("run").recommend(Histories.of({"ann": ["3"]}), 1)["item_id"].to_list()
    ['4']
    """
    kind = artifact.read(Path(folder), verify=False).kind
    known = class_of(kind)
    if known is None:
        raise ArtifactError(
            f"{folder} holds a '{kind}' model, which is not installed here; install the package that registers "
            f"it, or call llmrec.models.register('{kind}', 'package.module:Class') first"
        )
    # Another package's recommender may know neither.
    options: dict[str, Any] = {} if base is None else {"base": base}
    if not histories:
        options["histories"] = False
    model = known.load(folder, **options)
    if journal:
        model.change_log = RunChanges(Path(folder), n_made=model.n_changes)
    return model


def _class_for(recipe: Recipe) -> type[Recommender]:
    known = class_of(recipe.model)
    if known is None:
        raise RecipeError(
            f"{recipe.name}: no model '{recipe.model}'; there are {', '.join(kinds())}; one of another package "
            "must be installed, or registered by llmrec.models.register"
        )
    return known


def _paths(kind: str) -> dict[str, str]:
    """Return the class path of a kind by who registers it."""
    shipped = {"llmrec": SHIPPED[kind]} if kind in SHIPPED else {}
    registered = {"llmrec.models.register": _registered[kind]} if kind in _registered else {}
    return shipped | registered | paths_of(GROUP, kind)


def _check_path(kind: str, path: str) -> None:
    if not _CLASS_PATH.fullmatch(path):
        raise RegistryError(f"the kind '{kind}' is registered as {path!r}; write it as package.module:Class")


def _checked(kind: str, source: str, path: str) -> type[Recommender]:
    """Import another package's recommender, and see that it is one."""
    _check_path(kind, path)
    value = imported(f"recommender '{kind}'", source, path)
    if not (isinstance(value, type) and issubclass(value, Recommender)):
        raise RegistryError(f"{path}, registered by {source} as '{kind}', is no llmrec.models.Recommender")
    if inspect.isabstract(value):
        lacking = ", ".join(sorted(value.__abstractmethods__))
        raise RegistryError(f"{path}, registered by {source} as '{kind}', does not define {lacking}")
    its_kind = getattr(value, "kind", None)
    if its_kind != kind:
        raise RegistryError(
            f"{path} is registered by {source} as '{kind}', but its kind is {its_kind!r}; make them equal"
        )
    return value
