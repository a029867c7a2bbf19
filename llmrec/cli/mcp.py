"""``llmrec mcp``: a run as tools for LLM agents."""

from __future__ import annotations

import importlib.util

from llmrec.cli.arguments import BasePath, Run
from llmrec.errors import MissingExtra


def mcp(run: Run, base: BasePath = None) -> None:
    """Answer an LLM agent by the Model Context Protocol, on standard input and output; nothing can be changed.

    The tools are recommend, similar, explain and search_items. An agent starts this command itself: in its
    settings the command is llmrec, the arguments are mcp and the run.
    """
    if importlib.util.find_spec("mcp") is None:
        raise MissingExtra("llmrec mcp needs mcp: pip install 'llmrec[mcp]'")
    from llmrec.models.runs import load_run
    from llmrec.serve.agents import agent_server

    agent_server(load_run(run, base=base)).run("stdio")
