"""Which fields of a recipe are read while code runs, and which ones a declaration names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from llmrec import Recipe
from llmrec.config.sections import Section

SECTIONS = {name: type(value) for name, value in Recipe() if isinstance(value, Section)}
FIELDS = ["tasks", *(f"{name}.{field}" for name, section in SECTIONS.items() for field in section.model_fields)]


def declared(sections: Iterable[str]) -> set[str]:
    """The fields that a declaration names, those of whole sections one by one."""
    return {field for field in FIELDS if {field, field.partition(".")[0]} & set(sections)}


@contextmanager
def recorded() -> Iterator[set[str]]:
    """Collect the fields of recipes that are read in a block."""
    names = {section: name for name, section in SECTIONS.items()}
    read: set[str] = set()

    def recording(self: Section, field: str) -> Any:
        path = f"{names[type(self)]}.{field}" if type(self) in names else field
        if path in FIELDS:
            read.add(path)
        return object.__getattribute__(self, field)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Section, "__getattribute__", recording, raising=False)
        yield read
