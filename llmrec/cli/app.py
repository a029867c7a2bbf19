"""The ``llmrec`` command: its verbs, and one line instead of a traceback when something is wrong."""

from __future__ import annotations

import logging
import warnings
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import llmrec
from llmrec.cli import (
    batch,
    changes,
    data,
    doctor,
    evaluate,
    export,
    fit,
    mcp,
    predict,
    quickstart,
    recipes,
    recommend,
    serve,
)
from llmrec.cli.arguments import help_alone
from llmrec.cli.output import PrintableFormatter, SaidOnce, say
from llmrec.errors import LlmrecError
from llmrec.printable import printable

INTERRUPTED = 130  # what a shell reports after Ctrl-C
LONGEST_ERROR = 4000

app = typer.Typer(
    help="LLM prompting and embedding for recommendation.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("quickstart")(quickstart.quickstart)
app.add_typer(data.app, name="data")
app.command("fit")(fit.fit)
app.command("recipes")(recipes.recipes)
app.command("recommend")(recommend.recommend)
app.command("similar")(recommend.similar)
app.command("explain")(recommend.explain)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(batch.app, name="batch")
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.command("mcp")(mcp.mcp)
app.add_typer(changes.app, name="catalog")
app.command("forget")(changes.forget)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        say(llmrec.__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """LLM prompting and embedding for recommendation."""
    help_alone(context)
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
    if not debug:
        handler.addFilter(SaidOnce())
        for library in ("transformers", "bitsandbytes"):
            logging.getLogger(library).setLevel(logging.ERROR)
        warnings.simplefilter("ignore")  # of the libraries underneath: nothing a user could act on
    logging.getLogger("llmrec").setLevel(logging.DEBUG if debug else logging.INFO)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    debug = "--debug" in arguments
    if debug:  # accepted anywhere on the line
        arguments = ["--debug", *(word for word in arguments if word != "--debug")]
    try:
        result = app(arguments, standalone_mode=False, prog_name="llmrec")
    except LlmrecError as error:
        return _failed(error, str(error), error.exit_code, debug)
    except TyperException as error:
        return _failed(error, _usage(error), 2, debug)
    except (Abort, KeyboardInterrupt):
        return _failed(None, "interrupted", INTERRUPTED, False)
    except OSError as error:
        return _failed(error, f"{error.filename or 'the system'}: {error.strerror or error}", 1, debug)
    except Exception as error:
        if _is_interruption(error):
            return _failed(None, "interrupted", INTERRUPTED, False)
        text = f"{type(error).__name__}: {error}; this is a fault of llmrec, --debug shows where"
        return _failed(error, text, 1, debug)
    if result == INTERRUPTED:  # typer has made a code of it before it comes here
        return _failed(None, "interrupted", INTERRUPTED, False)
    return result if isinstance(result, int) else 0


def _is_interruption(error: BaseException | None) -> bool:
    """Whether an error came of Ctrl-C: some modules that are interrupted while they load raise another."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _usage(error: TyperException) -> str:
    message = getattr(error, "format_message", lambda: str(error))()
    return f"{message} (llmrec --help lists commands and options)"


def _failed(error: BaseException | None, text: str, code: int, debug: bool) -> int:
    if debug and error is not None:
        raise error
    say(f"error: {printable(text, longest=LONGEST_ERROR)}", error=True)
    return code
