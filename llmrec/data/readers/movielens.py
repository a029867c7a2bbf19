"""Read MovieLens as GroupLens ships it: u.data, u.item and the ``::`` separated .dat files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec.data.columns import ITEM, TIME, TITLE, USER
from llmrec.data.readers.delimited import parse_bytes
from llmrec.data.readers.text_files import TextFile
from llmrec.errors import DataError

_RATINGS = [USER, ITEM, "rating", TIME]
# u.item marks genres by a column of 0 and 1 each, in this order (its own u.genre).
_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_U_ITEM = [ITEM, TITLE, "release_date", "video_release_date", "imdb_url", *_GENRES]
# One byte that is in no film title replaces the two of "::".
_SEPARATOR = "\x1f"


def read_u_data(path: Path) -> pl.DataFrame:
    """Read u.data: user, item, rating and time, tab separated, without a header."""
    return parse_bytes(path, _text(path), _RATINGS, delimiter="\t")


def read_u_item(path: Path) -> pl.DataFrame:
    """Read u.item: ``item_id``, ``title`` and ``genres`` joined by ", "."""
    table = parse_bytes(path, _text(path), _U_ITEM, delimiter="|")
    flags = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in _GENRES[1:]]
    return table.select(ITEM, TITLE, pl.concat_str(flags, separator=", ", ignore_nulls=True).alias("genres"))


def read_dat(path: Path) -> pl.DataFrame:
    """Read ratings.dat (user, item, rating, time) or movies.dat (item, title, genres)."""
    text = _text(path)
    cells = text.split(b"\n", 1)[0].count(b"::") + 1
    names = {4: _RATINGS, 3: [ITEM, TITLE, "genres"]}.get(cells)
    if names is None:
        raise DataError(
            f"{path.name}: its first line has {cells} cells between '::'; ratings.dat has 4 and movies.dat 3"
        )
    return parse_bytes(path, text.replace(b"::", _SEPARATOR.encode()), names, delimiter=_SEPARATOR)


def has_double_colons(path: Path) -> bool:
    """Whether cells of a .dat file stand between "::"."""
    return b"::" in TextFile(path).head().split(b"\n", 1)[0]


def _text(path: Path) -> bytes:
    """Return the file as UTF-8: its early releases are Latin-1, the later ones UTF-8 already."""
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        content = bytes(stream.read())
    if not content.strip():
        raise DataError(f"{path} is empty; download it again")
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode()
    return content
