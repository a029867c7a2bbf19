"""The options that say who words a reason and how."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.models import Recommender
    from llmrec.reasons import Narrator

KEY = "LLMREC_API_KEY"

Backend = Annotated[
    str,
    typer.Option(
        "--backend",
        help="Who words it: auto or template (planned, without an LLM), llm (the run's own), or the address of an "
        "OpenAI-compatible server such as http://localhost:8000/v1.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help=f"The server's model, or a base for --backend llm. A server's key: {KEY}."),
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for a server.", min=0.1)]
# Those of llmrec.prompting and llmrec.reasons, which take long to import.
LANGUAGES, FORMS = ("en", "zh"), ("sentence", "paragraph")


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def check(word: str) -> str:
        if word not in words:
            raise DataError(f"no reasons as {word!r}; choose {' or '.join(words)}")
        return word

    return check


LanguageName = Annotated[str, typer.Option("--language", help="en or zh.", callback=_one_of(LANGUAGES))]
FormName = Annotated[str, typer.Option("--form", help="sentence or paragraph.", callback=_one_of(FORMS))]
Tone = Annotated[str, typer.Option("--tone", help="A word or two for an LLM, such as warm.")]


def narrator_of(
    model: Recommender, backend: str, name: str | None, timeout: float, concurrency: int = 4
) -> Narrator | None:
    """Return the narrator of these options; None leaves the choice to ``explain``. Raises DataError."""
    from llmrec.reasons import EndpointNarrator, LocalNarrator, TemplateNarrator, base_narrator

    check_backend(backend, name)
    if is_server(backend):
        assert name is not None
        return EndpointNarrator(
            backend, name, api_key=os.environ.get(KEY), timeout=timeout, concurrency=concurrency
        )
    if backend == "llm":
        return LocalNarrator(name) if name else base_narrator(model) or LocalNarrator("smollm2-135m")
    return TemplateNarrator() if backend == "template" else None


def is_server(backend: str) -> bool:
    """Return whether a backend is the address of a server."""
    return backend.lower().startswith(("http://", "https://"))


def check_backend(backend: str, name: str | None) -> None:
    """Raise DataError for a backend that is none, and for one that lacks a model or takes none."""
    if is_server(backend):
        if name is None:
            from llmrec.reasons.address import shown_address

            raise DataError(f"--backend {shown_address(backend)}: say which of its models with --model NAME")
    elif backend not in {"auto", "llm", "template"}:
        from llmrec.reasons.address import shown_address

        raise DataError(
            f"--backend {shown_address(backend)}: choose auto, llm, template, or an address such as http://host/v1"
        )
    elif name is not None and backend != "llm":
        raise DataError(f"--model {name} needs --backend llm or the address of a server")
