"""The item index: its time against FAISS alone, its recall, and what filters cost, on vectors as items have them.

python eval/benchmarks/item_index.py --run runs/quickstart/llm [--items 1000000] [--dim 128]. Vectors and biases
are a trained run's, drawn with replacement and jittered along the directions to their ten nearest items. Queries
are others than those by which an index chooses how much it reads. Filters leave a share of the items by chance, or
those that lie lowest along the direction of the largest variance, for the queries that lie highest. Times are the
best of three. Memory is what a process holds more after it has read an index that was saved, and the vectors
beside it where the estimate counts them. Writes item_index-ITEMS.json.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np

from eval.common import arguments, run_measured, write_result
from llmrec import ItemIndex
from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.retrieval.exact import exact_search
from llmrec.retrieval.kinds import KINDS, memory_bytes
from llmrec.retrieval.list_searchers import CANDIDATES

K, ROUNDS = 10, 3
# How far a vector is moved along the directions to its item's neighbours, and in any, of these distances.
NEIGHBORS, JITTER, NOISE = 10, 0.5, 0.1
SHARES = (0.01, 0.3, 0.99)
OPPOSITE_SHARES, OPPOSITE_QUERIES = (0.2, 0.5), 0.2
# An index is built by so many other queries.
BUILD_QUERIES = 512
READ = """
import json, sys, faiss, numpy, psutil
process = psutil.Process()
before = process.memory_info().rss
index, vectors = faiss.read_index(sys.argv[1]), [numpy.load(path) for path in sys.argv[2:]]
print(json.dumps({"held_gib": (process.memory_info().rss - before) / 2**30}))
"""


def clustered(index: ItemIndex, n: int, dim: int, draw: np.random.Generator) -> tuple[Float32s, Float32s]:
    """Return n vectors [n, dim] and biases [n] like those of a run: about its items, and as long as these."""
    vectors, biases = np.asarray(index.vectors), np.asarray(index.biases)
    directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:dim]
    items = np.pad(vectors @ directions.T, ((0, 0), (0, dim - len(directions))))
    similarity, squares = items @ items.T, (items**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * similarity, 0))
    np.fill_diagonal(distances, np.inf)
    neighbors = np.argsort(distances, axis=1)[:, :NEIGHBORS]
    chosen = draw.integers(0, len(items), n)
    made = items[chosen].astype(np.float32)
    for one in range(neighbors.shape[1]):
        steps = JITTER / NEIGHBORS**0.5 * draw.standard_normal((n, 1), dtype=np.float32)
        made += steps * (items[neighbors[chosen, one]] - items[chosen])
    spread = NOISE * distances.min(axis=1)[chosen, None] / dim**0.5
    made += spread * draw.standard_normal((n, dim), dtype=np.float32)
    lengths = np.linalg.norm(items, axis=1)[chosen, None] / np.linalg.norm(made, axis=1, keepdims=True)
    spread_biases = biases.std() * 0.2 * draw.standard_normal(n)
    return (made * lengths).astype(np.float32), (biases[chosen] + spread_biases).astype(np.float32)


def seconds(call: Callable[[], Any]) -> float:
    """Time a call: the best of three."""
    spent = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return min(spent)


def recall(codes: Int64s, exact: Int64s) -> float:
    """Return the share of the exact rows that were returned."""
    return float((codes[:, :, None] == exact[:, None, :]).any(axis=1).mean())


def faiss_alone(index: ItemIndex, rows: Float32s, queries: Float32s) -> Callable[[], Any]:
    """Return a search by FAISS alone, of the same kind and effort; of codes with its own exact second step."""
    searcher: Any = index.searcher
    library: Any = faiss
    if index.facts.kind == "flat":
        flat = library.IndexFlatIP(rows.shape[1])
        flat.add(rows)
        return lambda: flat.search(queries, K)
    width = searcher.faiss_index.d
    padded = np.pad(queries, ((0, 0), (0, width - queries.shape[1])))
    if index.facts.kind == "hnsw":
        parameters = library.SearchParametersHNSW(efSearch=searcher.effort)
    elif index.facts.kind == "ivf-flat":
        parameters = library.SearchParametersIVF(nprobe=searcher.effort)
    else:
        searcher.faiss_index.nprobe = searcher.effort
        vectors = np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
        refined = library.IndexRefineFlat(searcher.faiss_index, library.swig_ptr(vectors))
        refined.k_factor = CANDIDATES
        return lambda: refined.search(padded, K)
    return lambda: searcher.faiss_index.search(padded, K, params=parameters)


class Filter(NamedTuple):
    """What a filter leaves of the rows, and the queries that it is of."""

    name: str
    mask: Bools
    queries: Float32s


def filters(rows: Float32s, queries: Float32s, draw: np.random.Generator) -> list[Filter]:
    """Return filters by chance, and of what lies far from some of the queries."""
    by_chance = [Filter(f"{share:.0%} left", draw.random(len(rows)) < share, queries) for share in SHARES]
    some = rows[draw.choice(len(rows), min(20_000, len(rows)), replace=False), :-1]
    direction = np.linalg.svd(some - some.mean(axis=0), full_matrices=False)[2][0]
    along, of_queries = rows[:, :-1] @ direction, queries[:, :-1] @ direction
    far = queries[of_queries >= np.quantile(of_queries, 1 - OPPOSITE_QUERIES)]
    masks = {share: along <= np.quantile(along, share) for share in OPPOSITE_SHARES}
    return by_chance + [Filter(f"the farthest {share:.0%} left", mask, far) for share, mask in masks.items()]


def measured(
    kind: str, rows: Float32s, queries: Float32s, exact: Int64s, *, chosen_by: Float32s, filtered: list[Filter]
) -> dict[str, Any]:
    """Build an index, save it, search it with and without filters; the last number of a row is its bias."""
    people = queries[:, :-1]
    index = ItemIndex.build(rows[:, :-1], range(len(rows)), bias=rows[:, -1], kind=kind, queries=chosen_by)
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "index")
        counted = ["index.faiss", "vectors.npy"] if kind == "ivf-flat" else ["index.faiss"]
        files = [Path(folder) / "index" / name for name in counted]
        written = sum(file.stat().st_size for file in files)
        held = run_measured([sys.executable, "-c", READ, *files]).values()["held_gib"]
    ours = seconds(lambda: index.search(people, K))
    alone = seconds(faiss_alone(index, rows, queries))
    row = {
        "kind": kind,
        "build_seconds": index.facts.seconds,
        "effort": index.searcher.effort,
        "recall@10": recall(index.search(people, K).codes, exact),
        "search_ms": 1000 * ours,
        "faiss_ms": 1000 * alone,
        "ratio": ours / alone,
        "estimated_gib": index.facts.memory_bytes / 2**30,
        "written_gib": written / 2**30,
        "held_gib": held,
    }
    for name, mask, some in filtered:
        among, _ = exact_search(rows, some, K, allowed=mask)
        row[f"recall@10, {name}"] = recall(index.search(some[:, :-1], K, allow=mask).codes, among)
        search = partial(index.search, some[:, :-1], K)
        row[f"time, {name}"] = seconds(partial(search, allow=mask)) / seconds(search)
    return row


def main() -> None:
    """Measure each kind."""
    parser = arguments(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a run whose item vectors are imitated")
    parser.add_argument("--items", type=int, default=1_000_000, help="how many vectors (1,000,000)")
    parser.add_argument("--dim", type=int, default=128, help="numbers of a vector (128)")
    parser.add_argument("--queries", type=int, default=1000, help="queries in a batch (1,000)")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), help="kinds to measure (all)")
    args = parser.parse_args()
    draw, source = np.random.default_rng(0), ItemIndex.open(args.run)
    vectors, biases = clustered(source, args.items, args.dim, draw)
    people, _ = clustered(source, args.queries + BUILD_QUERIES, args.dim, draw)
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    rows = np.concatenate([vectors, biases[:, None]], axis=1)
    del vectors
    chosen_by, people = people[args.queries :], people[: args.queries]
    queries = np.concatenate([people, np.ones((len(people), 1), dtype=np.float32)], axis=1)
    exact, _ = exact_search(rows, queries, K)
    filtered, table = filters(rows, queries, draw), []
    for kind in args.kinds:
        table.append(measured(kind, rows, queries, exact, chosen_by=chosen_by, filtered=filtered))
        print(table[-1], flush=True)
    flat = next((row["search_ms"] for row in table if row["kind"] == "flat"), None)
    for row in table if flat else []:
        row["of_flat_s_time"] = row["search_ms"] / flat
    settings = {"items": args.items, "dim": args.dim, "queries": args.queries, "source": source.facts.n}
    settings |= {
        f"estimated_gib_of_10_million, {kind}": memory_bytes(kind, 10**7, args.dim + 1, bytes_per_item=16) / 2**30
        for kind in args.kinds
    }
    write_result(args.out / f"item_index-{args.items}.json", {"Search": table}, settings=settings)


if __name__ == "__main__":
    main()
