"""eval/cost.py counts what the bases really multiply, and its page is as new as the results."""

from __future__ import annotations

import pytest

from eval.cost import BASES, GOAL, PAGE, TITLES_AT_ONCE, Rates, main, memory_of, page
from llmrec import Recipe
from llmrec.models.llm import title_loss


def test_the_page_is_as_new_as_the_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(Rates.measured()) == text
    monkeypatch.setattr("eval.cost.TOKENS_AN_ITEM", 65)
    monkeypatch.setattr("sys.argv", ["cost.py", "check"])
    with pytest.raises(SystemExit, match="older than the results"):
        main()


def test_sizes_are_the_published_ones() -> None:
    """Parameters without embeddings, as the model cards of Qwen3 give them, and SmolLM2-135M's own."""
    blocks = {base.name: base.sizes().blocks for base in BASES}
    assert blocks["SmolLM2-135M"] == 106_203_456
    published = {
        f"Qwen3-{size}-Base": n for size, n in (("0.6B", 0.44e9), ("1.7B", 1.4e9), ("4B", 3.6e9), ("8B", 6.95e9))
    }
    assert {name: blocks[name] for name in published} == pytest.approx(published, rel=0.012)


def test_hours_are_operations_by_rate() -> None:
    rates = Rates("card", peak=100, share=0.1, cpu="cpu", soft_tokens=1)
    assert rates.hours(3600 * 1e13, rates.share) == pytest.approx(1)
    assert rates.hours(3600 * 1e13, GOAL) == pytest.approx(0.25)


def test_memory_follows_the_recipe() -> None:
    base = next(base for base in BASES if base.name == "Qwen3-4B-Base")
    sizes, qlora = base.sizes(), Recipe.load("qwen3-4b-qlora")
    weights, adapter, activations, logits = memory_of(qlora, base, sizes)
    plain = memory_of(qlora.with_values({"backbone.quantize": "none"}), base, sizes)
    assert weights < 0.35 * plain[0]
    assert plain[1:] == [adapter, activations, logits]
    assert adapter == pytest.approx(16 * 33_030_144)  # the rank-16 adapter of all linear layers
    more = memory_of(qlora.with_values({"backbone.gradient_checkpointing": False}), base, sizes)
    assert more[2] == pytest.approx(activations * 34 * 36 / (2 * 36 + 34))
    assert TITLES_AT_ONCE == title_loss.TITLES_AT_ONCE
