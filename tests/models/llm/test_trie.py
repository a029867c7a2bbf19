"""The prefix tree of the catalog's texts: every text is a path to a leaf, and nothing else is."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.llm.ragged import RaggedTokens
from llmrec.models.llm.trie import ROOT, TitleTrie

END = 9
some_lines = st.lists(
    st.lists(st.integers(0, 3), max_size=4).map(lambda line: [*line, END]), min_size=1, max_size=12
)


def build(lines: list[list[int]]) -> TitleTrie:
    return TitleTrie.build(RaggedTokens.of(lines))


def paths(trie: TitleTrie, node: int = ROOT) -> list[tuple[list[int], int]]:
    """All token paths from a node to leaves."""
    _, children = trie.children_of(np.array([node]))
    if not len(children):
        return [([], node)]
    return [([int(trie.tokens[c]), *rest], leaf) for c in children for rest, leaf in paths(trie, int(c))]


@settings(deadline=None)
@given(some_lines)
def test_the_paths_are_the_texts(lines: list[list[int]]) -> None:
    trie = build(lines)
    found = paths(trie)
    assert sorted(path for path, _ in found) == sorted({tuple(line): line for line in lines}.values())
    for path, leaf in found:
        which, codes = trie.items_at(np.array([leaf]))
        assert sorted(codes) == [n for n, line in enumerate(lines) if line == path]
        assert (which == 0).all()
        assert trie.n_children[leaf] == 0
    assert len(trie.leaves) == len(lines)
    assert (trie.tokens[trie.leaves] == END).all()


@settings(deadline=None)
@given(some_lines, st.data())
def test_only_paths_to_allowed_items_lead_to_them(lines: list[list[int]], data: st.DataObject) -> None:
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines))))
    alive = build(lines).leads_to(allowed)
    some = build([line for line, kept in zip(lines, allowed, strict=True) if kept] or [[END]])
    assert alive.sum() == (len(some) if allowed.any() else 0)


def test_children_of_several_nodes_at_once() -> None:
    trie = build([[0, 1, END], [0, 2, END], [3, END]])
    which, children = trie.children_of(np.array([ROOT, int(trie.children_of(np.array([ROOT]))[1][0])]))
    assert which.tolist() == [0, 0, 1, 1]
    assert trie.tokens[children].tolist() == [0, 3, 1, 2]


@settings(deadline=None)
@given(some_lines)
def test_from_fork_to_fork_on_every_text(lines: list[list[int]]) -> None:
    trie = build(lines)
    forks = {
        tuple(line[:n])
        for line in lines
        for n in range(len(line))
        if len({x[n] for x in lines if x[:n] == line[:n]}) > 1
    }
    ways = trie.tokens_to(trie.forks, trie.depths[trie.forks])
    assert sorted(tuple(ways[n].tolist()) for n in range(len(ways))) == sorted(forks)
    for n, line in enumerate(lines):
        path = trie.paths[trie.offsets[n] : trie.offsets[n + 1]]
        assert trie.depths[path].tolist() == list(range(1, len(line) + 1))
        for depth, node in enumerate(path):
            below = next((m for m in range(depth + 1, len(line)) if tuple(line[:m]) in forks), len(line))
            assert trie.ends[node] == path[below - 1]
            assert (
                trie.tokens_to(path[below - 1 : below], np.array([below - depth]))[0].tolist() == line[depth:below]
            )
    assert trie.summed(trie.tokens.astype(float)).tolist() == [sum(line) for line in lines]
