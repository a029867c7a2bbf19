"""Evidence about films by the Coens: two cited, of which the first weighs most, and facts of many kinds."""

from __future__ import annotations

from llmrec.reasons import Cited, Evidence, Fact, Item, Together

COENS = {"director": ["Coen"], "year": 1996, "genres": "Crime, Drama"}


def evidence(n: int = 0, user: str = "u") -> Evidence:
    """A film by the Coens, cited two of which the first weighs most."""
    cited = (
        Cited("f", "Fargo", COENS, 3.0, 40),
        Cited("g", "Godfather, The", {"year": 1972, "genres": "Crime"}, 1.2, 3),
    )
    return Evidence(
        user,
        Item(f"i{n}", f"Film number {n}", COENS),
        cited,
        together=(Together("f", 60, 90),),
        rank=2,
        facts=(
            Fact("same", ("f",), "director", ("Coen",), bits=8.0),
            Fact("same", ("f", "g"), "genres", ("Crime",), bits=3.0),
            Fact("mix", ("f",), "genres", ("Crime", "Drama"), bits=3.5),
            Fact("together", ("f",), count=60, of=90, times=2.2, bits=1.1),
            Fact("rank", ("f",), count=2, of=40, bits=4.3),
            Fact("taste", (), "genres", ("Crime",), 12, 30, 2.5, 1.3),
        ),
    )
