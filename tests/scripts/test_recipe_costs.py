"""The header of each recipe of an LLM says what it takes, as new as the results."""

from __future__ import annotations

import pytest

from eval import recipe_costs
from eval.recipe_costs import ESTIMATED, MEASURED, SOURCES, Source, headers, main, measured, with_header

RECIPE = "# What it is for.\n# Measured: long ago,\n# on another machine.\nname: one\n# not of the header\n"


def test_headers_are_as_new_as_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    said = headers()
    monkeypatch.setattr("sys.argv", ["recipe_costs.py", "check"])
    monkeypatch.setattr(recipe_costs, "headers", lambda: said)
    main()
    assert {name for name in said if said[name].startswith(MEASURED)} == set(SOURCES)
    assert said["qwen3-8b-qlora"].startswith(ESTIMATED)
    monkeypatch.setattr(recipe_costs, "headers", lambda: {"quickstart": "Measured: something else"})
    with pytest.raises(SystemExit, match=r"quickstart\.yaml is older than the results"):
        main()


def test_what_an_earlier_one_said_is_replaced() -> None:
    changed = with_header(RECIPE, "Estimated: 3 GiB.")
    assert changed == "# What it is for.\n# Estimated: 3 GiB.\nname: one\n# not of the header\n"
    assert with_header(changed, "Estimated: 3 GiB.") == changed
    assert all(len(line) <= 115 for line in with_header(RECIPE, "many words " * 50).splitlines())


def test_of_several_seeds_the_middle_time_and_the_largest_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"model": "llm", "train_seconds": [60, 600, 120], "peak_memory_gib": [1.0, 1.5, 1.25]}
    result = {"machine": {"cpus": 2, "processor": "a chip"}, "sections": [{"rows": [row, {"model": "gru"}]}]}
    monkeypatch.setattr(recipe_costs, "read_result", lambda _: result)
    took = "2 minutes (the middle of 3 trainings), 1.5 GiB"
    expected = f"Measured: films, 2 cores of a chip, {took} (eval/results/one.json)."
    assert measured(Source("one.json", "llm", "films")) == expected
