"""The README.md of a run directory: what the model is, in the form hubs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def model_card(
    name: str,
    kind: str,
    metadata: Mapping[str, Any],
    *,
    n_items: int,
    details: Sequence[tuple[str, str]] = (),
) -> str:
    """Write a model card from a run's metadata; ``details`` are rows of this kind of model alone."""
    data, cost, base = metadata["data"], metadata.get("cost", {}), metadata.get("base")
    rows = [
        ("Model", kind),
        *details,
        ("Data", f"{data['name']}, {data['events']:,} training events, fingerprint {data['fingerprint'][:12]}"),
        ("Catalog", f"{n_items:,} items"),
        ("Training", ", ".join(f"{key} {value}" for key, value in cost.items()) or "not recorded"),
    ]
    table = "\n".join(f"| {label} | {value} |" for label, value in rows)
    library = f"library_name: peft\nbase_model: {base['name']}\n" if base else ""
    return (
        f"---\n{library}tags: [recommendation, llmrec]\n---\n"
        f"# {name}\n\nA recommender trained by llmrec: it scores every catalog item after a history.\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        "Repeat the run with `llmrec fit recipe.yaml --data DIR --out RUN`; use it with `llmrec.load(RUN)`.\n"
    )
