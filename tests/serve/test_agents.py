"""A run as tools for agents: the model's answers, nothing that changes it, one line for what is wrong."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import llmrec
from llmrec import Histories, Recipe
from llmrec.data import Dataset
from llmrec.models import from_recipe
from llmrec.printable import printable
from llmrec.reasons import TemplateNarrator

mcp = pytest.importorskip("mcp", reason="the extra is not installed: pip install 'llmrec[mcp]'")


@pytest.fixture(scope="module")
def model(gru_run: Path) -> llmrec.models.Recommender:
    return llmrec.load(gru_run)


@pytest.fixture(scope="module")
def call(model: llmrec.models.Recommender) -> Callable[..., Any]:
    """Call a tool as an agent does: ``call("similar", item_id="3")``; an error is returned as text."""
    from llmrec.serve.agents import agent_server

    server = agent_server(model, narrator=TemplateNarrator())

    async def ask(name: str, arguments: dict[str, object]) -> Any:
        async with mcp.Client(server) as client:
            if name == "list":
                return (await client.list_tools()).tools
            answer = await client.call_tool(name, arguments)
        if answer.is_error:
            return answer.content[0].text
        value = answer.structured_content
        return value.get("result", value)

    return lambda name, **arguments: asyncio.run(ask(name, arguments))


def test_tools_say_what_they_do_and_change_nothing(call: Callable[..., Any]) -> None:
    tools = {tool.name: tool for tool in call("list")}
    assert set(tools) == {"recommend", "similar", "explain", "search_items"}
    assert all(tool.annotations.read_only_hint for tool in tools.values())
    assert "year" in tools["recommend"].description
    assert tools["recommend"].input_schema["properties"]["k"]["maximum"] == 100


def test_answers_are_the_model_s(call: Callable[..., Any], model: llmrec.models.Recommender) -> None:
    wanted = model.recommend(Histories.of([["3", "4"]]), 3)
    listed = call("recommend", history=["3", "4"], k=3)
    assert [row["item_id"] for row in listed] == wanted["item_id"].to_list()
    assert listed[0]["title"] == model.catalog.titles[model.catalog.code(listed[0]["item_id"])]
    known = call("recommend", user_id="7", where="year >= 1995", k=2)
    assert [row["item_id"] for row in known] == model.recommend(
        model.histories.of_user("7"), 2, filter=llmrec.Filter("year >= 1995")
    )["item_id"].to_list()
    alike = call("similar", item_id="3", k=2)
    assert [row["item_id"] for row in alike] == model.similar_items(["3"], 2)["similar_id"].to_list()
    alike = call("similar", item_id="3", k=2, where="year >= 1995")
    wanted = model.similar_items(["3"], 2, filter=llmrec.Filter("year >= 1995"))
    assert [row["item_id"] for row in alike] == wanted["similar_id"].to_list()
    reason = call("explain", item_id="5", history=["3", "4"])
    assert model.catalog.titles[5] in reason["reason"]
    assert {row["item_id"] for row in reason["because_of"]} <= {"3", "4"}
    assert "Harbor" in call("search_items", query="harbor")[0]["title"]


def test_titles_are_short_lines_in_every_answer(films: Dataset) -> None:
    from llmrec.serve.agents import agent_server

    items = films.catalog.table.with_columns(title=pl.lit("\x1b[2J\u202eRed\n") + pl.col("item_id") + "x" * 300)
    data = Dataset.from_tables(films.events, items=items, name="films")
    model = from_recipe(Recipe(model="item-knn")).fit(data)
    tool = agent_server(model, narrator=TemplateNarrator())

    async def rows() -> list[Any]:
        async with mcp.Client(tool) as client:
            lists = [
                await client.call_tool("recommend", {"history": ["3"]}),
                await client.call_tool("similar", {"item_id": "3"}),
                await client.call_tool("search_items", {"query": ""}),
            ]
            reason = await client.call_tool("explain", {"item_id": "5", "history": ["3", "4"]})
        return [*(one.structured_content["result"] for one in lists), reason.structured_content["because_of"]]

    for answer in asyncio.run(rows()):
        assert answer
        assert all(row["title"] == printable(row["title"]) and len(row["title"]) <= 200 for row in answer)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("recommend", {}, "say whose history"),
        ("recommend", {"history": ["nope"]}, "item 'nope' is not in the catalog"),
        ("recommend", {"user_id": "nobody"}, "nobody"),
        ("recommend", {"history": ["3"], "where": "colour = red"}, "colour"),
        ("recommend", {"history": ["3"], "where": "repeat('a', 99) = title"}, "calls no functions (repeat)"),
        ("similar", {"item_id": "3", "where": "year in (select 1)"}, "holds no queries (select)"),
        ("recommend", {"history": ["3"], "k": 10**9}, "less than or equal to 100"),
        ("similar", {"item_id": "nope"}, "item 'nope'"),
        ("explain", {"item_id": "nope", "history": ["3"]}, "nope"),
    ],
)
def test_what_is_wrong_is_said(
    call: Callable[..., Any], name: str, arguments: dict[str, Any], message: str
) -> None:
    assert message in call(name, **arguments)


def test_the_command_speaks_on_standard_output_alone(runs: Path) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    command = [sys.executable, "-m", "llmrec", "mcp", str(runs / "markov")]
    done = subprocess.run(command, input=json.dumps(hello) + "\n", capture_output=True, text=True, timeout=120)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["result"]["serverInfo"]["name"] == "llmrec"
    assert done.returncode == 0
