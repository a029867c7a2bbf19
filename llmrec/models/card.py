"""The README.md of a run directory: what the model is, in the form hubs show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmrec.models.llm import LLMRecommender


def model_card(model: LLMRecommender) -> str:
    """Write a model card from the model's recipe, facts and log."""
    recipe, facts = model.recipe, model.facts
    data, cost = facts["data"], facts.get("cost", {})
    depth = f"first {recipe.backbone.layers} blocks" if recipe.backbone.layers else "all blocks"
    rows = [
        ("Base model", f"{facts['base']['name']} ({facts['base']['identity']}), {depth}"),
        ("Adapter", f"LoRA r={recipe.lora.r}, alpha={recipe.lora.alpha}, targets {recipe.lora.targets}"),
        ("Histories", f"{recipe.history.encoding}, newest {recipe.history.max_items} items"),
        (
            "Data",
            f"{data['name']}, {data['events']:,} training events, fingerprint {data['fingerprint'][:12]}",
        ),
        ("Catalog", f"{len(model.catalog):,} items"),
        ("Training", ", ".join(f"{key} {value}" for key, value in cost.items()) or "not recorded"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        f"---\nlibrary_name: peft\nbase_model: {facts['base']['name']}\ntags: [recommendation, llmrec]\n---\n"
        f"# {recipe.name}\n\nA recommender trained by llmrec: it scores every catalog item after a history.\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        "Repeat the run with `llmrec fit recipe.yaml --data DIR --out RUN`; use it with "
        "`llmrec.load(RUN)`.\nThe adapter folder is a plain PEFT adapter.\n"
    )
