"""Addresses: ids of any text in them, every method that one allows, and the key in the schema."""

from __future__ import annotations

from collections.abc import Set

from fastapi import FastAPI
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.routing import Match
from starlette.types import Scope


class IdConvertor(PathConvertor):
    """The rest of an address as an id, line breaks too."""

    regex = "(?s:.*)"


register_url_convertor("id", IdConvertor())


def allowed_methods(app: FastAPI, scope: Scope) -> str:
    """Return the methods that an address has, for ``Allow``."""
    routes = (route for route in app.routes if route.matches(scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in routes for method in getattr(route, "methods", None) or ()}))


def require_key(app: FastAPI, open_paths: Set[str]) -> None:
    """Say in the schema that requests send a key, but to ``open_paths``."""
    plain = app.openapi

    def schema() -> dict[str, object]:
        values = plain()
        values["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        values["security"] = [{"key": []}]
        for path in open_paths & values["paths"].keys():
            values["paths"][path]["get"]["security"] = []
        return values

    app.openapi = schema  # type: ignore[method-assign]
