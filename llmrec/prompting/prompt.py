"""A prompt: wording in a YAML file, checked when it is loaded, filled in with plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmrec.errors import PromptError
from llmrec.prompting.templates import bad_template, template, variables_of
from llmrec.resources.bounded import UnreadableError, read_yaml
from llmrec.resources.shipped import folder

Part = Literal["system", "user", "answer"]
Language = Literal["en", "zh"]

_PARTS: tuple[Part, ...] = get_args(Part)


class Prompt(BaseModel):
    """Wording for one task. Parts are Jinja templates over the declared ``variables``.

    ``examples`` are values for solved cases: ``messages`` shows each as a question and its ``answer``.

    >>> Prompt.load("item").render("user", item={"title": "Alien", "year": 1979})
    'Alien (1979)'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    language: Language
    variables: tuple[Annotated[str, Field(pattern="^[a-zA-Z]\\w*$")], ...] = ()
    system: str | None = None
    user: str | None = None
    answer: str | None = None
    examples: tuple[dict[str, Any], ...] = ()

    @classmethod
    def load(cls, name: str | Path, language: Language = "en") -> Prompt:
        """Load a shipped prompt by name and language, or any by the path of its .yaml file.

        Raises PromptError naming the file and the field.
        """
        path = _find(name, language)
        try:
            values = read_yaml(path)
        except UnreadableError as error:
            raise PromptError(f"{path} is not YAML: {error}") from error
        if not isinstance(values, dict):
            raise PromptError(f"{path} holds no mapping of fields; see prompts/README.md")
        return cls.of(values, source=str(path))

    @classmethod
    def of(cls, values: Mapping[str, Any], *, source: str = "prompt") -> Prompt:
        """Check a mapping: fields, template syntax, variables and examples. Raises PromptError."""
        try:
            prompt = cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            problem = "no such field" if first["type"] == "extra_forbidden" else first["msg"]
            raise PromptError(f"{source}: {field}: {problem} (got {first['input']!r:.100})") from error
        prompt._check(source)
        return prompt

    def render(self, part: Part, **values: object) -> str:
        """Fill in one part. Raises PromptError for an absent part and for missing or undeclared values."""
        render = self._templates.get(part)
        if render is None:
            has = ", ".join(self._templates)
            raise PromptError(f"prompt '{self.name}' has no part '{part}'; it has {has}")
        unknown = sorted(set(values) - set(self.variables))
        if unknown:
            declared = ", ".join(self.variables) or "none"
            raise PromptError(f"prompt '{self.name}' declares no variable '{unknown[0]}'; it has: {declared}")
        try:
            return render(**values)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise PromptError(f"prompt '{self.name}', part '{part}': {error}") from error

    def messages(self, **values: object) -> list[dict[str, str]]:
        """Write the question for a chat template: system, then solved examples, then user.

        Returns ``role, content`` mappings; the markup around them is the tokenizer's.
        """
        turns = []
        if self.system is not None:
            turns.append({"role": "system", "content": self.render("system", **values)})
        for example in self.examples:
            turns.append({"role": "user", "content": self.render("user", **example)})
            turns.append({"role": "assistant", "content": self.render("answer", **example)})
        turns.append({"role": "user", "content": self.render("user", **values)})
        return turns

    def to_yaml(self) -> str:
        """Return the exact wording as YAML, to be saved with what was made with it."""
        values = self.model_dump(mode="json", exclude_none=True)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    @cached_property
    def _templates(self) -> dict[Part, Callable[..., str]]:
        # Titles are values, never template text, so code in them is never executed. Nothing is HTML-escaped: a
        # prompt is plain text, and the tokenizer's own chat template adds the markup.
        texts = {part: getattr(self, part) for part in _PARTS}
        return {part: template(text) for part, text in texts.items() if text is not None}

    def _check(self, source: str) -> None:
        texts = [(part, getattr(self, part)) for part in _PARTS if getattr(self, part) is not None]
        if not texts:
            raise PromptError(f"{source}: no part to render; write system, user or answer")
        for part, text in texts:
            self._check_part(part, text, source)
        if self.examples and (self.user is None or self.answer is None):
            raise PromptError(f"{source}: examples: need both a user and an answer part")
        for number, example in enumerate(self.examples):
            try:
                self.render("user", **example)
                self.render("answer", **example)
            except PromptError as error:
                raise PromptError(f"{source}: examples.{number}: {error}") from error

    def _check_part(self, part: Part, text: str, source: str) -> None:
        problem = bad_template(text)
        if problem:
            raise PromptError(f"{source}: {part}: bad template: {problem}")
        undeclared = sorted(variables_of(text) - set(self.variables))
        if undeclared:
            raise PromptError(f"{source}: {part}: '{undeclared[0]}' is used but not in variables; add it")


def names(language: Language = "en") -> list[str]:
    """Return the names of the shipped prompts of a language.

    >>> "history" in names("zh")
    True
    """
    ending = _ending(language)
    files = (path.name for path in folder("prompts").glob("*.yaml"))
    stems = [file.removesuffix(ending) for file in files if file.endswith(ending)]
    return sorted(stem for stem in stems if "." not in stem)


def _ending(language: Language) -> str:
    return ".yaml" if language == "en" else f".{language}.yaml"


def _find(name: str | Path, language: Language) -> Path:
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise PromptError(f"there is no prompt file {path}")
        return path
    if str(name) not in names(language):
        available = ", ".join(names(language)) or "none"
        raise PromptError(
            f"no prompt '{name}' in language '{language}'; there are {available}, or give a .yaml file"
        )
    return folder("prompts") / f"{name}{_ending(language)}"
