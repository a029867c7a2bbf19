"""The house rules, read from the syntax tree: imports, lengths, words, one name for one thing."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from support.syntax import (
    ROOT,
    calls,
    circles,
    depth,
    forget_trees,
    functions,
    identifiers,
    import_graph,
    imported,
    length,
    module_name,
    nodes,
    trees,
    types_named,
    words,
)

EVERYTHING = ("llmrec", "eval", "tests")

# Words that say less than the field's own term: found -> scores, rows; place -> position, rank, path; truth ->
# targets; told -> labels, message; kept -> filtered, mask. In prose they keep their plain English sense.
DIALECT = words(
    "anchors apart aside asked behind center chances door doors entered found guess guesses judged kept learns "
    "lessons moment moments own place places ring skip slot slots taught told truth truths usual way ways "
    "world worlds"
)


@pytest.fixture(autouse=True, scope="module")
def _trees_of_this_module_alone() -> Iterator[None]:
    yield
    forget_trees()


def lines_of(file: Path) -> int:
    return len((ROOT / file).read_text(encoding="utf-8").splitlines())


def names_by_module(files: dict[Path, ast.Module]) -> dict[str, ast.Module]:
    return {module_name(file): tree for file, tree in files.items()}


def test_no_imports_go_in_a_circle() -> None:
    packages = {module_name(file) for file in trees("llmrec") if file.name == "__init__.py"}
    graph = import_graph(names_by_module(trees("llmrec")), packages)
    assert len(graph) > 100
    assert sum(map(len, graph.values())) > 500
    assert circles(graph) == []


@pytest.mark.parametrize("statement", ["from p import b", "import p.b", "from p.b import B", "from p import B"])
@pytest.mark.parametrize(
    "where", ["{}", "def f():\n    {}", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"]
)
def test_a_circle_is_seen_wherever_its_imports_stand(statement: str, where: str) -> None:
    sources = {"p": "from p.b import B", "p.a": where.format(statement), "p.b": "from p.a import A\nclass B: ..."}
    modules = {name: ast.parse(source) for name, source in sources.items()}
    assert circles(import_graph(modules, {"p"})) == [{"p.a", "p.b"}]


def test_what_a_package_uses_itself_counts() -> None:
    sources = {"p": "from p.a import A\ndef load(): return A", "p.a": "from p import load"}
    modules = {name: ast.parse(source) for name, source in sources.items()}
    assert circles(import_graph(modules, {"p"})) == [{"p", "p.a"}]
    modules["p"] = ast.parse("from p.a import A\nload = 1")
    assert circles(import_graph(modules, {"p"})) == []


def test_baselines_and_networks_over_ids_know_no_language_model() -> None:
    packages = ("llmrec.models.baselines", "llmrec.models.sequential")
    modules = {name: tree for name, tree in names_by_module(trees("llmrec")).items() if name.startswith(packages)}
    assert len(modules) > 10
    sources = {(name, source) for name, tree in modules.items() for source, _ in imported(tree)}
    assert not [pair for pair in sources if pair[1].startswith(("llmrec.llm", "llmrec.models.llm"))]


def test_files_stay_short() -> None:
    lengths = {file.as_posix(): lines_of(file) for file in trees(*EVERYTHING)}
    assert {file for file, lines in lengths.items() if lines > 300} == set()
    assert median(lines_of(file) for file in trees("llmrec")) <= 110


def test_functions_stay_short_and_flat() -> None:
    every = [(file, function) for file, tree in trees(*EVERYTHING).items() for function in functions(tree)]
    assert len(every) > 1000
    long = {f"{file.as_posix()}:{function.name}" for file, function in every if length(function) > 50}
    assert long == set()
    assert not [f"{file}:{function.name}" for file, function in every if depth(function) > 3]


def test_length_and_depth_are_measured() -> None:
    source = '''
        def four():
            for n in range(3):
                with open("x") as file:
                    if n:
                        pass
                    elif file:
                        try:
                            pass
                        finally:
                            pass
        def one():
            if 1:
                def inner():
                    if 2:
                        pass
            elif 3:
                pass
        def told():
            """Say it.

            >>> told()
            'it'
            """
            return "it"
    '''
    four, one, told, inner = functions(ast.parse("if True:" + source))
    assert (depth(four), depth(one), depth(inner), depth(told)) == (4, 1, 1, 0)
    assert (length(four), length(one), length(inner), length(told)) == (10, 7, 3, 4)


def test_identifiers_are_the_field_s_words() -> None:
    files = trees("llmrec", "eval")
    named = {file.as_posix(): identifiers(tree) | {file.stem} for file, tree in files.items()}
    assert sum(map(len, named.values())) > 3000
    dialect = {file: {name for name in names if words(name) & DIALECT} for file, names in named.items()}
    assert {file: names for file, names in dialect.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "def kept_rows(): ...",
        "class KeptRows: ...",
        "class A:\n    kept: int",
        "def f(kept): ...",
        "f = lambda *kept: 0",
        "kept = 1",
        "a, *kept = b",
        "(kept := 1)",
        "for kept in b: ...",
        "[0 for kept in b]",
        "with a as kept: ...",
        "try: ...\nexcept OSError as kept: ...",
        "import a as kept",
        "self.kept = 1",
        "self.was_kept += 1",
        "match a:\n    case [*kept]: ...",
        "match a:\n    case B() as kept: ...",
        "match a:\n    case {**kept}: ...",
    ],
)
def test_an_identifier_is_seen_wherever_it_stands(source: str) -> None:
    assert {"kept"} <= {word for name in identifiers(ast.parse(source)) for word in words(name)}


def test_what_others_named_is_no_identifier_of_ours() -> None:
    source = "import kept\nfrom a import kept\nkept(b, kept=1).kept\nkept['kept']\nraise unittest.SkipTest"
    assert identifiers(ast.parse(source)) == set()
    assert words("HTTPSkipTest_of2way") == {"http", "skip", "test", "of", "way"}


def test_a_name_means_one_type() -> None:
    counts = Counter(name for tree in trees("llmrec").values() for name in types_named(tree))
    assert len(counts) > 200
    assert {name for name, n in counts.items() if n > 1} == set()


def test_array_types_have_one_home() -> None:
    """Whoever needs another type of array names it in ``llmrec/arrays.py``."""
    uses = {
        file.as_posix()
        for file, tree in trees("llmrec").items()
        for node in nodes(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id).endswith("NDArray")
    }
    assert uses == {"llmrec/arrays.py"}


# What loads a model of a library, and would run the code that lies beside it, or ask whether to.
LOADERS = {"from_pretrained", "from_config", "SentenceTransformer", "CrossEncoder", "pipeline"}


def runs_no_code(call: ast.Call) -> bool:
    return any(
        keyword.arg == "trust_remote_code"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in call.keywords
    )


def test_every_loader_says_that_no_code_is_run() -> None:
    loading = [(file, call) for file, tree in trees("llmrec", "eval").items() for call in calls(tree, LOADERS)]
    assert len(loading) >= 8
    assert not [f"{file}:{call.lineno}" for file, call in loading if not runs_no_code(call)]


def test_a_loader_that_may_run_code_is_seen() -> None:
    source = """
        Auto.from_pretrained(name, trust_remote_code=False)
        transformers.AutoModel.from_pretrained(name)
        SentenceTransformer(name, trust_remote_code=True)
        peft.PeftModel.from_pretrained(model, name, trust_remote_code=trusted)
        Auto.from_config(config, **options)
    """
    found = calls(ast.parse("if True:" + source), LOADERS)
    assert [runs_no_code(call) for call in found] == [True, False, False, False, False]


def test_every_module_says_what_it_does() -> None:
    assert not [file for file, tree in trees("llmrec").items() if not ast.get_docstring(tree)]
