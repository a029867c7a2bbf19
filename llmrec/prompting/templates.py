"""Jinja templates of strangers: no code runs, and no template takes long or becomes large, whatever it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

# Of one rendering: turns of all its loops together, characters of a text, and the size of a factor.
MOST_TURNS = 10_000
MOST_TEXT = 1_000_000
MOST_FACTOR = 10**15

FILTERS = frozenset(
    {"abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length"}
    | {"list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select", "selectattr", "sort"}
    | {"string", "sum", "title", "trim", "truncate", "unique", "upper"}
)
_OF_TEXT = frozenset(
    {"capitalize", "casefold", "count", "endswith", "find", "isalpha", "isdigit", "islower", "isupper", "lower"}
    | {"lstrip", "removeprefix", "removesuffix", "rstrip", "split", "splitlines", "startswith", "strip", "title"}
    | {"upper"}
)
_OF_LISTS = frozenset({"count", "index"})
METHODS = ((str, _OF_TEXT), (dict, frozenset({"get", "items", "keys", "values"})), (list | tuple, _OF_LISTS))
_REFUSED: tuple[type[nodes.Node], ...] = (
    nodes.Block,
    nodes.CallBlock,
    nodes.Extends,
    nodes.FromImport,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
)
_WIDE = re.compile(r"%[^a-zA-Z%]*(\*|\d{4,})")  # a number formatted thousands of characters wide
_EACH = "_each"  # what loops go through; no variable of a prompt begins with _


def bad_template(text: str) -> str | None:
    """Say what is wrong with a template's syntax, or what it may not use; None for a template."""
    try:
        _compiled(text)
    except (TemplateError, SyntaxError, RecursionError, MemoryError, ValueError) as error:
        return " ".join(str(error).split())[:200] or "it is nested too deep"
    return None


@lru_cache
def variables_of(text: str) -> frozenset[str]:
    """Return the names that a template uses and does not set."""
    return frozenset(meta.find_undeclared_variables(_ENVIRONMENT.parse(text)))


def template(text: str) -> Callable[..., str]:
    """Return a function that fills in the values of a template that is not ``bad_template``.

    It raises TemplateError for missing values and for too much work, TypeError, ValueError or ArithmeticError for
    values that do not go together.
    """
    compiled = _compiled(text)

    def render(**values: object) -> str:
        return compiled.render(**values, **{_EACH: _Turns().each})

    return render


class _Turns:
    """Counts the turns of a rendering's loops."""

    def __init__(self) -> None:
        self.left = MOST_TURNS

    def each(self, values: Iterable[object]) -> Iterator[object]:
        for value in values:
            self.left -= 1
            if self.left < 0:
                raise SecurityError(f"its loops take more than {MOST_TURNS:,} turns")
            yield value


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, which keeps templates from code, and bounds on work and size, which it lacks."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True)
        self.globals.clear()
        bounded = {"join": _joined, "replace": _replaced, "round": _rounded}
        self.filters = {name: self.filters[name] for name in FILTERS} | bounded

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        return _limited("", parts)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value) and not any(isinstance(obj, kind) and attr in names for kind, names in METHODS):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Leave ``str.format`` out, which the sandbox would let pass."""

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("it raises to a power (**)")
        if operator == "*" and not (_is_small(left) and _is_small(right)):
            raise SecurityError("it multiplies something that is no number of usual size")
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise SecurityError(f"it formats with a width of thousands: {left[:40]!r}")
        if operator == "+" and hasattr(left, "__len__") and len(left) + len(right) > MOST_TEXT:
            raise SecurityError(f"it makes a text or a list of more than {MOST_TEXT:,}")
        return super().call_binop(context, operator, left, right)


@lru_cache  # checked and used, and the same for every model of a stack: compiling takes tens of milliseconds
def _compiled(text: str) -> Template:
    tree = _ENVIRONMENT.parse(text)
    for node in tree.find_all(_REFUSED):
        raise SecurityError(f"line {node.lineno}: a prompt may not use {type(node).__name__.lower()}")
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise SecurityError(f"line {loop.lineno}: a prompt may not use a recursive loop")
        loop.iter = nodes.Call(nodes.Name(_EACH, "load"), [loop.iter], [], None, None, lineno=loop.lineno)
    return _ENVIRONMENT.from_string(_Joining(tree).tree)


class _Joining:
    """Turns ``a ~ b`` into ``[a, b] | join``, whose size is bounded."""

    def __init__(self, tree: nodes.Template) -> None:
        self.tree = self._changed(tree)

    def _changed(self, node: Any) -> Any:
        for name, value in node.iter_fields():
            if isinstance(value, list):
                changed = [self._changed(part) if isinstance(part, nodes.Node) else part for part in value]
                setattr(node, name, changed)
            elif isinstance(value, nodes.Node):
                setattr(node, name, self._changed(value))
        if not isinstance(node, nodes.Concat):
            return node
        parts = nodes.List(node.nodes, lineno=node.lineno, environment=node.environment)
        joined = nodes.Filter(parts, "join", [], [], None, None, lineno=node.lineno)
        joined.set_environment(_ENVIRONMENT)
        return joined


def _limited(separator: str, parts: Iterable[object]) -> str:
    texts, size = [], 0
    for part in parts:
        text = str(part)
        size += len(text) + len(separator)
        if size > MOST_TEXT:
            raise SecurityError(f"it makes a text of more than {MOST_TEXT:,} characters")
        texts.append(text)
    return separator.join(texts)


def _joined(values: Iterable[object], separator: object = "") -> str:
    return _limited(str(separator), values)


def _replaced(text: object, old: object, new: object) -> str:
    pieces = str(text).split(str(old))
    return _limited(str(new), pieces)


def _rounded(number: float, precision: int = 0) -> float:
    return round(number, max(-20, min(precision, 20)))


def _is_small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= MOST_FACTOR


_ENVIRONMENT = _Environment()
