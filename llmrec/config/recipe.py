"""Recipes: every choice that makes a model, checked, frozen, and written beside what it made."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, PlainValidator, ValidationError

from llmrec.config.baseline_sections import (
    ALSConfig,
    CountingConfig,
    LinearConfig,
    SequenceConfig,
    StackConfig,
    TextConfig,
)
from llmrec.config.fields import close_to
from llmrec.config.retired import without_retired
from llmrec.config.sections import (
    AdapterConfig,
    BackboneConfig,
    HeadConfig,
    HistoryConfig,
    ResponsesConfig,
    Section,
    TrainConfig,
)
from llmrec.errors import RecipeError
from llmrec.resources.bounded import UnreadableError, read_yaml
from llmrec.resources.shipped import folder

# A scalar or a list of scalars; whoever reads an option knows of which type its default is.
Option = Annotated[Any, PlainValidator(lambda value: _checked_option(value))]
# Every model reads these.
ALWAYS_READ = ("name", "model", "seed")


class Recipe(Section):
    """All of a model's choices. Its class says which sections and fields it reads; others are refused.

    >>> recipe = Recipe.load("gru", set=["train.epochs=3"])
    >>> recipe.model, recipe.train.epochs
    ('gru', 3)
    """

    name: str = "unnamed"
    """What reports call it."""
    model: str = "llm"
    """Which recommender it makes."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of everything that is drawn at random."""
    backbone: BackboneConfig = BackboneConfig()
    lora: AdapterConfig = AdapterConfig()
    history: HistoryConfig = HistoryConfig()
    head: HeadConfig = HeadConfig()
    sequence: SequenceConfig = SequenceConfig()
    counting: CountingConfig = CountingConfig()
    linear: LinearConfig = LinearConfig()
    als: ALSConfig = ALSConfig()
    text: TextConfig = TextConfig()
    tasks: list[str] = Field(default_factory=list)
    """What is predicted of an event besides its item, see ``llmrec.data.responses``."""
    responses: ResponsesConfig = ResponsesConfig()
    train: TrainConfig = TrainConfig()
    stack: StackConfig = StackConfig()
    options: dict[str, Option] = Field(default_factory=dict)
    """The settings of a recommender that another package defines."""

    def complete(self, sections: Sequence[str], options: Mapping[str, Option] | None = None) -> Recipe:
        """Return the recipe with all fields set that a model reads, and no others: what a run writes.

        ``sections`` are whole ones ("train") or single fields ("history.events"); ``options`` are the model's own
        settings with their defaults. Raises RecipeError for what is set and not read: it would do nothing; and for
        a section or field that no recipe has.
        """
        values: dict[str, Any] = {name: getattr(self, name) for name in ALWAYS_READ}
        for path in sections:
            section, _, field = path.partition(".")
            value = dict(self).get(section)
            fields = dict(value) if isinstance(value, Section) else {}
            if value is None or (field and field not in fields):
                raise RecipeError(f"{self.model} declares that it reads {path}, which no recipe has; see Recipe")
            if fields:
                values.setdefault(section, {}).update({field: fields[field]} if field else fields)
            else:
                values[section] = value
        if options:
            values["options"] = dict(options) | self.options
        unread = _first_unread(self, values)
        if unread is not None:
            raise RecipeError(f"{self.model} reads no {unread}: leave it out")
        for name, value in self.options.items():
            _check_option(self.model, name, value, options or {})
        return Recipe.of(values, source=self.name)

    @classmethod
    def load(cls, name: str | Path, *, set: Sequence[str] | Mapping[str, Any] | None = None) -> Recipe:
        """Load a shipped recipe by name or any by path; ``set``: {"train.epochs": 3}, or ["train.epochs=3"].

        Raises RecipeError naming the file and the field.
        """
        path = _find(name)
        try:
            values = read_yaml(path)
        except UnreadableError as error:
            raise RecipeError(f"{path} is not YAML: {error}") from error
        if not isinstance(values, dict):
            raise RecipeError(f"{path} holds no mapping of fields; see finetune/README.md")
        changes = [] if isinstance(set, Mapping) else _listed(set)
        recipe = cls.of(_override(values, changes), source=str(name))
        if isinstance(set, Mapping):
            return recipe.with_values(set)
        return recipe._changed_in(changes)

    def __repr__(self) -> str:
        changed = ", ".join(
            name for name in type(self).model_fields if name in self.model_fields_set - {*ALWAYS_READ}
        )
        return f"Recipe({self.name}: model={self.model}, seed={self.seed}{f', sets {changed}' if changed else ''})"

    __str__ = __repr__

    @classmethod
    def of(cls, values: dict[str, Any], *, source: str = "recipe") -> Recipe:
        """Check a mapping; what only recipes of earlier versions say, and did nothing, is left out.

        Raises RecipeError.
        """
        values = without_retired(values, source=source)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            if not field:
                raise RecipeError(f"{source}: {message}") from error
            problem = message
            if first["type"] == "extra_forbidden":
                meant = close_to(field, cls)
                problem = "no such field" + (f"; did you mean {meant}?" if meant else "")
            raise RecipeError(f"{source}: {field}: {problem} (got {first['input']!r:.100})") from error

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with other values, e.g. ``{"train.epochs": 3}``. Raises RecipeError."""
        changes = [f"{field}={json.dumps(value)}" for field, value in values.items()]
        changed = Recipe.of(_override(self.model_dump(mode="json"), changes), source=self.name)
        return changed._changed_in(changes, before=self.changed)

    @property
    def changed(self) -> frozenset[str]:
        """The fields that were changed since the recipe was read: by ``set``, or by ``with_values``.

        No part of the recipe: equal ones may differ in it, and it is not written.

        >>> sorted(Recipe.load("gru", set=["train.epochs=3"]).changed)
        ['train.epochs']
        """
        changed: frozenset[str] = vars(self).get("_changed", frozenset())
        return changed

    def _changed_in(self, changes: list[str], *, before: frozenset[str] = frozenset()) -> Recipe:
        # No field: not compared, not written, not in dict(recipe).
        vars(self)["_changed"] = before.union(_fields_of(_override({}, changes)))
        return self

    def to_yaml(self) -> str:
        """Write every field that is set.

        In the recipe of a model that is all that it reads, defaults too: a run can be repeated when they change.
        """
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _fields_of(values: Mapping[str, Any]) -> Iterator[str]:
    """Name the fields of values, those of a section one by one: "train.epochs"."""
    for name, value in values.items():
        yield from (f"{name}.{field}" for field in value) if isinstance(value, Mapping) else (name,)


def _listed(changes: Sequence[str] | None) -> list[str]:
    """Return changes as a list. Raises RecipeError for other things than texts in a list."""
    if changes is None:
        return []
    if isinstance(changes, str) or not all(isinstance(one, str) for one in changes):
        raise RecipeError(f"set={changes!r}: write set={{'train.epochs': 3}} or set=['train.epochs=3']")
    return list(changes)


def _first_unread(recipe: Recipe, read: Mapping[str, Any]) -> str | None:
    """Name the first section or field that a recipe sets and ``read`` lacks, and what it has instead."""
    for section, value in recipe:
        if section not in recipe.model_fields_set:
            continue
        if section not in read:
            sections = ", ".join(name for name in read if name not in ALWAYS_READ) or "none"
            return f"section {section}; it reads {sections}"
        if isinstance(value, Section) and (unread := value.model_fields_set - set(read[section])):
            return f"field {section}.{min(unread)}; of {section} it reads {', '.join(read[section])}"
    return None


def _checked_option(value: object) -> object:
    parts = value if isinstance(value, list) else [value]
    if not all(part is None or isinstance(part, str | bool | int | float) for part in parts):
        raise ValueError("an option is text, a number, true, false, null or a list of these")
    return value


def _check_option(model: str, name: str, value: Option, defaults: Mapping[str, Option]) -> None:
    """Raise RecipeError for an option that the model lacks, and for a value of another type than its default."""
    if name not in defaults:
        raise RecipeError(f"{model} has no option '{name}'; it has {', '.join(defaults)}")
    default = defaults[name]
    wanted = (int, float) if isinstance(default, float) else type(default)
    fits = isinstance(value, wanted) and isinstance(value, bool) == isinstance(default, bool)
    if default is not None and not fits:
        raise RecipeError(f"options.{name}: {value!r} is no value like {default!r}, the default of {model}")


def names() -> list[str]:
    """Return the names of the shipped recipes.

    >>> "gru" in names()
    True
    """
    return sorted(path.stem for path in folder("finetune").glob("*.yaml"))


def purpose_of(name: str | Path) -> str:
    """Return what the comment at the head of a recipe's file says: what it is for, and how it was chosen.

    >>> purpose_of("markov")
    'What people did right after the last item. Nothing to choose.'
    """
    lines = _find(name).read_text(encoding="utf-8").splitlines()
    return " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines))


def _find(name: str | Path) -> Path:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise RecipeError(f"there is no recipe file {path}")
        return path
    shipped = folder("finetune") / f"{name}.yaml"
    if not shipped.is_file():
        alike = difflib.get_close_matches(str(name), names(), n=1)
        meant = f": did you mean {alike[0]}?" if alike else ":"
        raise RecipeError(f"no recipe '{name}'{meant} `llmrec recipes` lists them; or give a .yaml file")
    return shipped


def _override(values: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Merge ``key.sub=value`` assignments, values read as YAML."""
    if not assignments:  # a stranger's recipe.yaml: nothing in it is resolved
        return {str(key): value for key, value in values.items()}
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for assignment in assignments:
        if "=" not in assignment:
            raise RecipeError(f"--set {assignment}: write it as field=value, e.g. train.epochs=3")
    try:
        merged = OmegaConf.merge(OmegaConf.create(values), OmegaConf.from_dotlist(assignments))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise RecipeError(f"--set {' '.join(assignments)}: {str(error).splitlines()[0]}") from error
    # Unresolved: with resolve=True a secret named in ${oc.env:...} would land in the saved recipe.
    container = OmegaConf.to_container(merged, resolve=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
