"""Learn a house style for explanations from (profile, item, explanation) triples, and write in it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from llmrec import artifact
from llmrec.config import Recipe
from llmrec.data.readers.frames import to_polars
from llmrec.errors import ArtifactError, DataError
from llmrec.llm.adapter_files import SavedAdapter, save_adapter
from llmrec.llm.bases import Base, find_base
from llmrec.llm.chat import Chat
from llmrec.llm.recorded_base import recorded_base
from llmrec.models.run_files import BasePaths, paths_of
from llmrec.prompting import Prompt, one_line
from llmrec.training.batching import IGNORE, Batch, pack
from llmrec.training.distributed import require_one
from llmrec.training.fields import TRAINER_FIELDS
from llmrec.training.plan import Plan

if TYPE_CHECKING:
    import torch

# What it reads of a recipe.
SECTIONS = ("backbone", "lora", "history.max_tokens", *TRAINER_FIELDS)
KIND = "style"
GIVEN = ("profile", "title", "item")
WRITTEN = "explanation"


class StyleWriter:
    """Writes explanations from profiles: by a base LLM as it is, or with a style that ``fit_style`` learned.

    >>> StyleWriter("smollm2-135m").prompt.name
    'explain-profile'
    """

    def __init__(
        self,
        base: str | Base,
        *,
        adapter: SavedAdapter | None = None,
        prompt: Prompt | None = None,
        max_new_tokens: int = 96,
    ) -> None:
        self.prompt = prompt or Prompt.load("explain-profile")
        self.chat = Chat(base, adapter=adapter, max_new_tokens=max_new_tokens)

    @classmethod
    def load(cls, folder: str | Path, *, base: BasePaths | None = None) -> StyleWriter:
        """Read what ``fit_style`` wrote; ``base`` as for ``llmrec.load``.

        Raises ArtifactError if it is not a complete run of that kind, and for another base model.
        """
        path = Path(folder)
        manifest = artifact.read(path)
        if manifest.kind != KIND:
            raise ArtifactError(f"{path} holds a {manifest.kind} model, not a learned style")
        with artifact.reading(path):
            prompt, recipe = Prompt.load(path / "prompt.yaml"), Recipe.load(path / "recipe.yaml")
            weights = recorded_base(manifest.metadata["base"], path, given=paths_of(base))
        return cls(weights, adapter=SavedAdapter(path / "adapter", recipe.lora), prompt=prompt)

    def write(self, table: object) -> list[str]:
        """Write one explanation, on one line, for each row of ``profile, title, item``; deterministic."""
        rows = _checked(table, GIVEN).select(GIVEN).iter_rows(named=True)
        answers = self.chat.answer([self.prompt.messages(**row) for row in rows])
        return [one_line(answer) for answer in answers]


def fit_style(
    triples: object, recipe: Recipe, out: str | Path, *, prompt: Prompt | None = None, progress: bool = False
) -> StyleWriter:
    """Fine-tune a base LLM by LoRA on ``profile, title, item, explanation`` and write the run directory ``out``.

    Only the tokens of the explanation are learned. A triple longer than ``history.max_tokens`` is left out
    and counted in the manifest. Raises DataError for missing columns or no triple that fits, and InputError in one
    of several processes.

    >>> from llmrec import Recipe
    >>> from llmrec.errors import InputError
    >>> try:
    ...     fit_style({"title": ["Alien"]}, Recipe.load("quickstart"), "run")
    ... except InputError as error:
    ...     print(error)
    llm reads no field history.encoding; of history it reads max_tokens: leave it out
    """
    from llmrec.llm.backbone import add_adapter, load_backbone
    from llmrec.runtime import device_name, measured, seed_everything

    require_one("a house style")
    recipe = recipe.complete(SECTIONS)
    path = Path(out)
    if path.exists():
        raise ArtifactError(f"{path} exists already; choose another folder or remove it")
    base = find_base(recipe.backbone.base)
    recipe = recipe.with_values({"backbone.base": base.name})
    writer = StyleWriter(base, prompt=prompt)
    table = _checked(triples, (*GIVEN, WRITTEN))
    seed_everything(recipe.seed)
    model, tokenizer = load_backbone(recipe.backbone, base)
    rows = [_example(writer, row, tokenizer) for row in table.iter_rows(named=True)]
    short = [row for row in rows if len(row[0]) <= recipe.history.max_tokens]
    if not short:
        raise DataError(f"none of {len(rows)} triples fits history.max_tokens={recipe.history.max_tokens}")
    module: Any = model
    adapted = add_adapter(module.to(device_name()), recipe.lora)
    with measured() as spent:
        cost = _train(adapted, short, recipe, pad=int(tokenizer.pad_token_id), progress=progress)
    metadata = {
        "base": base.recorded() | {"dtype": str(model.dtype).removeprefix("torch.")},
        "triples": {"learned": len(short), "too_long": len(rows) - len(short)},
        "cost": {"train_seconds": round(spent.seconds, 1), **cost},
    }

    def fill(folder: Path) -> None:
        (folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        (folder / "prompt.yaml").write_text(writer.prompt.to_yaml(), encoding="utf-8")
        save_adapter(adapted, folder / "adapter", base=base.name)

    artifact.write(path, kind=KIND, metadata=metadata, fill=fill)
    return StyleWriter.load(path)


def _example(writer: StyleWriter, row: dict[str, Any], tokenizer: Any) -> tuple[list[int], int]:
    """Return a triple's tokens and how many of them are the prompt."""
    prompt = writer.chat.encode(writer.prompt.messages(**{name: row[name] for name in GIVEN}))
    text = writer.prompt.render("answer", explanation=one_line(str(row[WRITTEN])))
    answer = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return [*prompt, *answer, tokenizer.eos_token_id], len(prompt)


def _train(
    model: Any, rows: Sequence[tuple[list[int], int]], recipe: Recipe, *, pad: int, progress: bool
) -> dict[str, Any]:
    import torch
    from torch.nn import functional

    from llmrec.llm.backbone import transformer_blocks
    from llmrec.training.job import TrainingJob
    from llmrec.training.progress import Progress
    from llmrec.training.trainer import train

    class AnswerLoss(torch.nn.Module):
        """The mean loss of an answer's tokens."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: torch.Tensor, labels: torch.Tensor, n_tokens: torch.Tensor) -> torch.Tensor:
            hidden = transformer_blocks(self.model)(input_ids=ids).last_hidden_state[:, :-1]
            targets = labels[:, 1:]
            # Only where something is to be learned: the vocabulary is a quarter of a small model's work.
            logits = self.model.get_output_embeddings()(hidden[targets != IGNORE])
            return functional.cross_entropy(logits.float(), targets[targets != IGNORE])

    def collate(batch: Batch) -> dict[str, torch.Tensor]:
        return _collate([rows[n] for n in batch.windows[:, 0]], pad)

    settings, batches = recipe.train, []
    sizes = np.array([len(ids) for ids, _ in rows], dtype=np.int64)
    for epoch in range(settings.epochs):
        draw = np.random.default_rng((recipe.seed, epoch))
        for chosen in pack(sizes, settings.batch_tokens, draw):
            windows = np.stack([chosen, np.zeros_like(chosen), sizes[chosen]], axis=1)
            batches.append(Batch(epoch, windows))
    network = AnswerLoss()
    groups = [
        {
            "params": [v for v in network.parameters() if v.requires_grad],
            "lr": settings.learning_rate,
            "weight_decay": settings.weight_decay,
        },
    ]
    with tempfile.TemporaryDirectory() as work:
        job = TrainingJob(Plan.of(batches), collate, None, Path(work), Progress(recipe.name, shown=progress))
        bf16 = next(model.parameters()).dtype == torch.bfloat16
        return train(network, job, settings=settings, groups=groups, seed=recipe.seed, bf16=bf16)


def _collate(examples: Sequence[tuple[list[int], int]], pad: int) -> dict[str, torch.Tensor]:
    """Stack examples, padded on the right, where causal attention never looks. Prompts have no labels."""
    import torch

    width = max(len(ids) for ids, _ in examples)
    ids = torch.full((len(examples), width), pad, dtype=torch.long)
    labels = torch.full((len(examples), width), IGNORE, dtype=torch.long)
    for n, (tokens, n_prompt) in enumerate(examples):
        ids[n, : len(tokens)] = torch.tensor(tokens)
        labels[n, n_prompt : len(tokens)] = torch.tensor(tokens[n_prompt:])
    return {"ids": ids, "labels": labels, "n_tokens": torch.tensor(sum(len(tokens) for tokens, _ in examples))}


def _checked(table: object, columns: Sequence[str]) -> pl.DataFrame:
    triples = to_polars(table, label="triples")
    for column in columns:
        if column not in triples.columns:
            raise DataError(f"triples: no column '{column}'; a triple has {', '.join((*GIVEN, WRITTEN))}")
    return triples
