"""Read Python files as syntax trees: what they import, how they name things, how long and deep they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def trees(*folders: str) -> dict[Path, ast.Module]:
    """Parse every Python file below folders of the repository, by its path from the root; each once."""
    return {file: tree for folder in folders for file, tree in _trees(folder).items()}


@cache
def _trees(folder: str) -> dict[Path, ast.Module]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return {file.relative_to(ROOT): ast.parse(file.read_text(encoding="utf-8")) for file in files}


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Every node of a tree; it is walked once."""
    return tuple(ast.walk(tree))


def forget_trees() -> None:
    """Free what was parsed: some hundred MB."""
    _trees.cache_clear()
    nodes.cache_clear()


def calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    """Yield every call of a function or method of one of these names."""
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called in names:
                yield node


def module_name(file: Path) -> str:
    """Name the module of a file: ``llmrec/data/__init__.py`` is ``llmrec.data``."""
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield (module, name) for every absolute import, wherever it stands; the name of ``import x`` is None."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "relative import"
            yield from ((node.module, alias.name) for alias in node.names)


def import_graph(modules: dict[str, ast.Module], packages: set[str]) -> dict[str, set[str]]:
    """Return the modules that each module imports, also inside functions and under TYPE_CHECKING.

    A package's ``__init__`` only passes names on: whoever imports a name from a package imports the module that
    the name is from, and the re-exports of ``__init__`` are no imports of its own. What ``__init__`` itself uses
    counts. A module named in a string, as in a registry, is not imported.
    """
    exports = {name: _re_exports(modules[name], modules) for name in packages}

    def home(module: str, name: str | None) -> str:
        if name is not None and f"{module}.{name}" in modules:
            return f"{module}.{name}"
        return home(exports[module][name], name) if name in exports.get(module, {}) else module

    graph: dict[str, set[str]] = {}
    for module, tree in modules.items():
        passed_on = exports.get(module, {}).keys() - _used(tree)
        named = ((source, name) for source, name in imported(tree) if name not in passed_on)
        graph[module] = {home(*pair) for pair in named if pair[0] in modules} - {module}
    return graph


def _re_exports(tree: ast.Module, modules: dict[str, ast.Module]) -> dict[str | None, str]:
    return {name: source for source, name in imported(tree) if source in modules and name is not None}


def _used(tree: ast.Module) -> set[str]:
    return {node.id for node in nodes(tree) if isinstance(node, ast.Name)}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of nodes that all reach each other (strongly connected components), each once."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {frozenset({n for n in reach[node] if node in reach[n]}) for node in graph if node in reach[node]}
    return sorted((set(group) for group in groups), key=sorted)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen, open_nodes = set[str](), [start]
    while open_nodes:
        for node in graph[open_nodes.pop()] - seen:
            seen.add(node)
            open_nodes.append(node)
    return seen


def identifiers(tree: ast.AST) -> set[str]:
    """Return every name that a file gives: functions, classes, arguments, variables, attributes, fields."""
    names = set[str]()
    for node in nodes(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                names.add(name)
    return names


def words(identifier: str) -> set[str]:
    """Split an identifier at underscores and capitals, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function, also those within others."""
    return (node for node in nodes(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: Function) -> int:
    """Count the lines of a function, from ``def`` to its end, without the examples that end its docstring."""
    assert function.end_lineno is not None
    _, mark, examples = (ast.get_docstring(function) or "").partition(">>> ")
    return function.end_lineno - function.lineno + 1 - (len(examples.splitlines()) + 1 if mark else 0)


def depth(node: ast.AST) -> int:
    """Count how many blocks lie inside each other; ``elif`` opens none, a function in a function counts alone."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        opens = isinstance(child, _BLOCKS) and not is_elif
        deepest = max(deepest, depth(child) + opens)
    return deepest


def types_named(tree: ast.Module) -> Iterator[str]:
    """Yield the classes and type aliases of a file's top level: ``Float32s = ...`` is one, ``LIMIT = ...`` not."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", name):
                    yield name
