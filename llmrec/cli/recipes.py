"""``llmrec recipes``: what there is to fit, and what every field of a recipe means."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec.cli.output import Json, say, show

Name = Annotated[str | None, typer.Argument(help="A shipped recipe's name or a .yaml file; without it, all.")]


def recipes(name: Name = None, as_json: Json = False) -> None:
    """What each recipe is for; of one, every field with its value, default and meaning."""
    import polars as pl

    from llmrec.config import Recipe, fields_of, names, purpose_of
    from llmrec.models.registry import complete_recipe

    if name is None:
        shipped = [(one, Recipe.load(one).model, _first_sentence(purpose_of(one))) for one in names()]
        show(pl.DataFrame(shipped, schema=["recipe", "model", "made for"], orient="row"), as_json=as_json)
        return
    fields = fields_of(complete_recipe(Recipe.load(name)))
    rows = [(path, _written(value), _default(value, default), meaning) for path, value, default, meaning in fields]
    if not as_json:
        say(purpose_of(name), "")
    schema = ["field", "value", "default", "meaning"]
    show(pl.DataFrame(rows, schema=schema, orient="row", strict=False), as_json=as_json)
    if not as_json:
        say("", f"Change one: llmrec fit {name} --set FIELD=VALUE --data DIR --out RUN")


def _first_sentence(text: str) -> str:
    first, _, _ = text.partition(". ")
    return first.rstrip(".")


def _default(value: object, default: object) -> str:
    return "" if value == default else _written(default)


def _written(value: object) -> str:
    """Write a value as YAML does."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value) if value != "" else "''"
