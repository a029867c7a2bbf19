"""The benchmark of item-local blocks runs, small, and its two forms of a session agree with whole passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.benchmarks.local_blocks import FORMS, WHOLE, Sizes, session_cost, trained
from llmrec.data import toy_films


@pytest.mark.slow
def test_it_measures(tiny_base: Path) -> None:
    sizes, data = Sizes(str(tiny_base), 2, items=8, batch_tokens=400), toy_films(n_items=12, n_users=6)
    for form in (WHOLE, "text, 1 local block"):
        model, speed = trained(data, sizes.recipe(*FORMS[form]))
        assert speed["events"] == data.events.height
        assert speed["events_per_second"] > 0
        row = session_cost(model, list(data.catalog.ids[:6]))
        assert row["largest_difference"] < 1e-4
        assert row["append_ms"] > 0
