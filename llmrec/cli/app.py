"""The ``llmrec`` command: its verbs, and one line instead of a traceback when something is wrong."""

from __future__ import annotations

import logging
import warnings
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import llmrec
from llmrec.cli.commands import PLAIN, Lazy, help_alone, lazy_group
from llmrec.cli.output import PrintableFormatter, SaidOnce, say
from llmrec.errors import LlmrecError
from llmrec.printable import printable

INTERRUPTED = 130  # what a shell reports after Ctrl-C
LONGEST_ERROR = 4000

COMMANDS = {
    "quickstart": Lazy(
        "llmrec.cli.quickstart:quickstart",
        "Fetch model and data, train the LLM next to GRU and LSTM, compare, explain, report.",
    ),
    "data": Lazy("llmrec.cli.data:app", "Prepare, describe and split event logs."),
    "fit": Lazy(
        "llmrec.cli.fit:fit",
        "Train a recommender on what a split does not hold out: by default all but each user's last two events.",
    ),
    "recipes": Lazy(
        "llmrec.cli.recipes:recipes",
        "What each recipe is for; of one, every field with its value, default and meaning.",
    ),
    "recommend": Lazy("llmrec.cli.recommend:recommend", "What a user does next, several users, or all."),
    "items": Lazy(
        "llmrec.cli.items:items",
        "Find the ids of items by words of their titles; case and accents do not matter.",
    ),
    "similar": Lazy("llmrec.cli.recommend:similar", "Which items are most like one."),
    "explain": Lazy(
        "llmrec.cli.explain:explain", "Why an item fits a user: a sentence and the history items it rests on."
    ),
    "predict": Lazy(
        "llmrec.cli.predict:predict",
        "Predict how a user responds to an item: probabilities of behaviors and of a purchase, expected rating.",
    ),
    "evaluate": Lazy(
        "llmrec.cli.evaluate:evaluate",
        "Judge every run on what its split held out; the first run is compared with the others.",
    ),
    "batch": Lazy(
        "llmrec.cli.batch:app",
        "Answer all users of a run, into Parquet files; the same command goes on where it stopped.",
    ),
    "export": Lazy("llmrec.cli.export:export", "Write a run's vectors, or its model, for other programs."),
    "serve": Lazy(
        "llmrec.cli.serve:serve",
        "Answer over HTTP: lists, similar items, reasons and predictions; users' events are taken in.",
    ),
    "mcp": Lazy(
        "llmrec.cli.mcp:mcp",
        "Answer an LLM agent by the Model Context Protocol, on standard input and output; nothing can be changed.",
    ),
    "catalog": Lazy(
        "llmrec.cli.changes:app",
        "Change the items of a run without training: written to RUN.changes, made when the run is loaded.",
    ),
    "forget": Lazy(
        "llmrec.cli.changes:forget",
        "Remove people from a run: their histories and vectors. What only training again removes is printed.",
    ),
    "cache": Lazy(
        "llmrec.cli.cache:cache",
        "What the cache holds, with its size; --clear removes it. LLMREC_CACHE says where it lies.",
    ),
    "doctor": Lazy("llmrec.cli.doctor:doctor", "Versions, devices, cached downloads, and what is missing."),
}

app = typer.Typer(
    cls=lazy_group(COMMANDS),
    help="LLM prompting and embedding for recommendation.",
    invoke_without_command=True,
    **PLAIN | {"add_completion": True},
)


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
        for library in ("transformers", "bitsandbytes", "matplotlib"):
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
