"""Join the knowledge graph in RecBole's wheel to MovieLens 100K, as relations that reasons can tell.

python eval/experiments/film_relations.py MOVIES OUT.csv
MOVIES: the movies.csv of a newer MovieLens (ml-latest-small, ml-25m), or data prepared from one. The wheel's link
file bears those ids, not MovieLens 100K's: films are joined by title and year. What is written goes on as
`llmrec data prepare ... --relations OUT.csv`, or `eval/experiments/reasons.py RUN --relations OUT.csv`. People and
firms of the graph have no names: reasons say "by the same director". Prints how much is joined.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import polars as pl

from llmrec import Dataset
from llmrec.data.readers.read import read_raw
from llmrec.reasons.names import full_name
from llmrec.resources.wheels import unpack_wheel

# What a reader would be told; genres, countries, languages, ratings and nominations say less.
RELATIONS = {
    "film.film.directed_by": "director",
    "film.film.written_by": "writer",
    "film.film.actor": "actor",
    "film.film.produced_by": "producer",
    "film.film.cinematography": "cinematographer",
    "film.film.production_companies": "studio",
    "film.film.award_won": "award",
    "film.film.subjects": "subject",
    "film.film.sequel": "sequel",
    "film.film.prequel": "prequel",
}
# Their tails are films; one that is not joined is no title.
BETWEEN_FILMS = frozenset(("sequel", "prequel"))


def title_key(title: str) -> str:
    """Return what a title's spellings have in common: "Lost World, The (1997)" is "the lost world"."""
    bare = re.sub(r"\s*\([^()]*\)", "", title).strip()
    return " ".join(re.findall(r"[a-z0-9]+", full_name(bare).lower().replace("&", "and")))


def films_of(path: Path) -> pl.DataFrame:
    """Read ``item_id, key, year`` of a newer MovieLens; the year stands in brackets at the end of a title."""
    table = pl.read_parquet(path / "items.parquet") if path.is_dir() else read_raw(path)
    names = {name.lower(): name for name in table.columns}
    item = names.get("item_id") or names["movieid"]
    table = table.select(pl.col(item).cast(pl.String).alias("item_id"), pl.col(names["title"]).alias("title"))
    return table.select(
        "item_id",
        pl.col("title").map_elements(title_key, return_dtype=pl.String).alias("key"),
        pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int64).alias("year"),
    )


def read_tabs(path: Path, names: tuple[str, ...]) -> pl.DataFrame:
    """Read a file of RecBole's as texts, its columns by these names."""
    table = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
    return table.rename(dict(zip(table.columns, names, strict=True)))


def joined(items: pl.DataFrame, films: pl.DataFrame) -> pl.DataFrame:
    """Match ``item_id, title, year`` with newer ids by title and year, else a year apart: ``item_id, newer``."""
    items = items.select(
        "item_id",
        pl.col("title").map_elements(title_key, return_dtype=pl.String).alias("key"),
        pl.col("year").cast(pl.Int64, strict=False),
    ).drop_nulls()
    pairs = items.join(films.rename({"item_id": "newer", "year": "theirs"}), on="key")
    pairs = pairs.with_columns((pl.col("year") - pl.col("theirs")).abs().alias("apart")).filter(
        pl.col("apart") <= 1
    )
    nearest = pairs.sort("apart", maintain_order=True).unique("item_id", keep="first", maintain_order=True)
    return nearest.unique("newer", keep="first", maintain_order=True).select("item_id", "newer")


def triples_of(links: pl.DataFrame, graph: pl.DataFrame) -> pl.DataFrame:
    """Return ``head, relation, tail`` of linked films (``item_id, entity``): ids for heads and films as tails."""
    ids = dict(links.select("entity", "item_id").iter_rows())
    known = graph.filter(pl.col("relation").is_in(list(RELATIONS)) & pl.col("head").is_in(list(ids)))
    known = known.with_columns(pl.col("head").replace(ids), pl.col("relation").replace(RELATIONS))
    between = pl.col("relation").is_in(list(BETWEEN_FILMS))
    films = known.filter(between & pl.col("tail").is_in(list(ids))).with_columns(pl.col("tail").replace(ids))
    return pl.concat([known.filter(~between), films])


def main() -> None:
    """Join, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movies", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    folder, data = unpack_wheel("ml-100k"), Dataset.load("ml-100k")
    links = read_tabs(folder / "ml-100k.link", ("newer", "entity"))
    graph = read_tabs(folder / "ml-100k.kg", ("head", "relation", "tail"))
    matched = joined(data.catalog.table, films_of(args.movies)).join(links, on="newer")
    triples = triples_of(matched, graph)
    triples.write_csv(args.out)
    events = int(data.events["item_id"].is_in(matched["item_id"].implode()).sum()) / data.events.height
    print(f"{matched.height:,} of {len(data.catalog):,} films, {events:.1%} of the events")
    for relation, count in triples["relation"].value_counts(sort=True).iter_rows():
        shared = triples.filter(pl.col("relation") == relation).filter(pl.col("tail").is_duplicated())
        print(f"{relation}: {count:,} triples, {shared['head'].n_unique():,} films share one")


if __name__ == "__main__":
    main()
