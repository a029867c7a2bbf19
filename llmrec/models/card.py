"""The README.md of a run directory: what the model is, in the form hubs show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmrec.models.base import Recommender


def model_card(model: Recommender) -> str:
    """Write a model card from the model's recipe, facts and log."""
    recipe, metadata = model.recipe, model.metadata
    data, cost = metadata["data"], metadata.get("cost", {})
    rows = [
        ("Model", model.kind),
        *(_llm_rows(model) if "base" in metadata else []),
        ("Data", f"{data['name']}, {data['events']:,} training events, fingerprint {data['fingerprint'][:12]}"),
        ("Catalog", f"{len(model.catalog):,} items"),
        ("Training", ", ".join(f"{key} {value}" for key, value in cost.items()) or "not recorded"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    base = f"library_name: peft\nbase_model: {metadata['base']['name']}\n" if "base" in metadata else ""
    return (
        f"---\n{base}tags: [recommendation, llmrec]\n---\n"
        f"# {recipe.name}\n\nA recommender trained by llmrec: it scores every catalog item after a history.\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        "Repeat the run with `llmrec fit recipe.yaml --data DIR --out RUN`; use it with `llmrec.load(RUN)`.\n"
    )


def _llm_rows(model: Recommender) -> list[tuple[str, str]]:
    recipe, base = model.recipe, model.metadata["base"]
    kept = recipe.backbone.layers
    depth = f"its first {kept} blocks only: the adapter has no weights for the others" if kept else "all blocks"
    return [
        ("Base model", f"{base['name']} ({base['identity']}), {depth}"),
        ("Adapter", f"LoRA r={recipe.lora.r}, alpha={recipe.lora.alpha}, targets {recipe.lora.targets}"),
        ("Histories", f"{recipe.history.encoding}, newest {recipe.history.max_items} items"),
    ]
