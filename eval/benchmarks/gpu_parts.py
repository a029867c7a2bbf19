"""The parts of gpu_check.py: each trains or encodes something and returns tables for a result file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import polars as pl
import torch

from eval.benchmarks.padded_trainer import train_padded
from eval.common import Row, open_data
from llmrec import Dataset, Histories, Recipe, Split, evaluate
from llmrec.data import Sequences, toy_films
from llmrec.evaluation import Report
from llmrec.llm.backbone import transformer_blocks
from llmrec.llm.encode import encode_item_texts
from llmrec.llm.ragged import RaggedTokens
from llmrec.llm.serialize import tokenized_items
from llmrec.llm.weights import load_causal_lm
from llmrec.models import GenerativeRanking, LLMRecommender, PromptRanking, Recommender, from_recipe
from llmrec.prompting.item_text import item_texts
from llmrec.prompting.prompt import Prompt
from llmrec.runtime import Dtype, device_name


@dataclass(frozen=True)
class Part:
    """The tables of a part by title, and the evaluation of what it trained."""

    sections: Mapping[str, Sequence[Row]]
    report: Report | None = None


@dataclass(frozen=True)
class Settings:
    """The sizes of all parts. ``films``, ``ml_1m``: a built-in name, a folder, or ``toy``."""

    base: str = "smollm2-135m"
    dtype: Dtype = "bfloat16"
    films: str = "ml-100k"
    ml_1m: str = "data/ml-1m"
    text_minutes: float = 2.5
    peer_minutes: float = 0.5
    soft_minutes: float = 2.0
    sasrec_epochs: int = 40
    lines: int = 200_000
    encode_tokens: tuple[int, ...] = (16_384, 65_536)
    peer_batches: tuple[int, ...] = (128, 1024)
    train_tokens: int = 16_384
    histories: int = 1_000_000
    titled: int = 64
    matrix: int = 8192

    @classmethod
    def tiny(cls, base: str) -> Self:
        """Return sizes that a CPU measures in seconds, on toy films."""
        return cls(
            base=base,
            dtype="float32",
            films="toy",
            ml_1m="toy",
            text_minutes=0.02,
            peer_minutes=0.005,
            soft_minutes=0.02,
            sasrec_epochs=1,
            lines=40,
            encode_tokens=(512,),
            peer_batches=(16,),
            train_tokens=512,
            histories=50,
            titled=3,
            matrix=32,
        )


def text(settings: Settings) -> Part:
    """Train on histories as text at full depth, packed, in half precision."""
    data = _data(settings.films)
    changes = ["train.pack=true", f"train.max_minutes={settings.text_minutes}"]
    return _trained(_recipe("smollm2-135m-lora", settings, *changes), data)


def padded(settings: Settings) -> Part:
    """Train the same LLM on the same histories by a padded Trainer with peft, by its language-model loss alone."""
    data = _data(settings.films)
    recipe = _recipe("smollm2-135m-lora", settings, "train.epochs=1", "train.max_minutes=0.02", "train.pack=true")
    encoder = LLMRecommender(recipe).fit(Split.leave_last_out(data).train).encoder
    sequences = Sequences.encode(data.histories, data.catalog)
    rows = [encoder.serialized(sequences, n).tokens[0].tolist() for n in range(len(sequences))]
    of_equal_tokens = max(1, settings.train_tokens // int(np.mean([len(row) for row in rows])))
    table = []
    for batch in (8, of_equal_tokens):
        sizes: Any = {"dtype": settings.dtype, "batch": batch, "minutes": settings.peer_minutes, "warm_up": 3}
        spent = train_padded(settings.base, rows, **sizes)
        name = f"padded Trainer with peft, {batch} histories a batch"
        table.append({"training": name, "tokens_per_second": spent.tokens / spent.seconds, **_gpu_memory()})
    return Part({"Padded training": table})


def encode(settings: Settings) -> Part:
    """Encode a catalog repeated to many lines: ours and sentence-transformers."""
    texts = item_texts(_data(settings.films).catalog, Prompt.load("item", "en"))
    texts = (texts * (1 + settings.lines // len(texts)))[: settings.lines]
    model, tokenizer = load_causal_lm(settings.base, dtype=settings.dtype)
    model.to(device_name())  # type: ignore[arg-type]  # transformers' stub wants a model here
    lines, words = tokenized_items(tokenizer, texts), model.get_input_embeddings()
    matrices = [p.numel() for p in transformer_blocks(model).parameters() if p.ndim > 1]
    flops = 2 * (sum(matrices) - sum(p.numel() for p in words.parameters()))
    table = [_encoded("llmrec", model, lines, budget) for budget in settings.encode_tokens]
    table += _sentence_transformers(settings, texts[: settings.lines // 4])
    peak = _matrix_flops(settings)
    shares = [{**row, "share_of_matrix_peak": flops * row["tokens_per_second"] / peak} for row in table]
    measured = {"matrix": settings.matrix, "tflops": peak / 1e12, "gigaflops_a_token": flops / 1e9}
    return Part({"Encoding": shares, "A matrix product on this card": [measured]})


def _encoded(name: str, model: Any, lines: RaggedTokens, budget: int) -> dict[str, Any]:
    few = lines.take(np.arange(min(2000, len(lines))))
    encode_item_texts(model, few, batch_tokens=budget)  # warms up
    name = f"{name}, {budget:,} tokens a batch"
    return _timed(name, int(lines.offsets[-1]), lambda: encode_item_texts(model, lines, batch_tokens=budget))


def soft(settings: Settings) -> Part:
    """Train on histories as item vectors, on MovieLens 1M."""
    data = _data(settings.ml_1m)
    changes = [f"train.max_minutes={settings.soft_minutes}", "train.epochs=24", "train.pack=true"]
    return _trained(_recipe("smollm2-135m-soft", settings, *changes), data)


def sasrec(settings: Settings) -> Part:
    """Train SASRec on MovieLens 1M until its validation stops improving."""
    changes = ["sequence.max_items=200", "sequence.dropout=0.2", "sequence.dim=256", "train.patience=8",
               f"train.epochs={settings.sasrec_epochs}", "train.max_minutes=2", "train.valid_users=1500",
               "train.batch_tokens=12800", "train.learning_rate=2.0e-3"]  # fmt: skip
    return _trained(Recipe.load("sasrec", set=changes), _data(settings.ml_1m))


def recommend(settings: Settings) -> Part:
    """Recommend for many histories of twenty events by a GRU."""
    data = _data(settings.films)
    model = _fitted(Recipe.load("gru", set=["train.epochs=2"]), data)
    ids, users = data.catalog.table["item_id"], np.repeat(np.arange(settings.histories), 20)
    drawn = ids.gather(np.random.default_rng(0).integers(len(ids), size=len(users)))
    histories = Histories.from_events(
        pl.DataFrame({"user_id": pl.Series(users).cast(pl.String), "item_id": drawn})
    )
    began = time.perf_counter()
    recommended = model.recommend(histories, 10)
    _wait()
    seconds = time.perf_counter() - began
    row = {"users": len(histories), "recommendations": recommended.height, "seconds": seconds,
           "users_per_second": len(histories) / seconds, **_gpu_memory()}  # fmt: skip
    return Part({"Recommending by a GRU": [row]})


def quantized(settings: Settings) -> Part:
    """Train a base in 4 bits for a few steps: what memory it takes."""
    changes = ["backbone.quantize=4bit", "train.pack=true", "train.max_minutes=0.3", "train.epochs=1"]
    return _trained(_recipe("smollm2-135m-lora", settings, *changes), _data(settings.films))


def titles(settings: Settings) -> Part:
    """Rank by titles that a model of a few steps writes, and that the base is prompted with."""
    data = _data(settings.films)
    changes = ["train.title_loss=0.1", "train.max_minutes=0.3", "train.epochs=1"]
    model = LLMRecommender(_recipe("smollm2-135m-lora", settings, *changes)).fit(Split.leave_last_out(data).train)
    histories, prompt = data.histories[: settings.titled], partial(PromptRanking, settings.base, candidates=10)
    rankings: dict[str, Any] = {
        "titles, 20 beams": GenerativeRanking(model),
        "titles, exactly": GenerativeRanking(model, beams=None),
        "prompt, titles": prompt(mode="title").fit(data),
        "prompt, letters": prompt(mode="letter").fit(data),
    }
    rows = []
    for name, ranking in rankings.items():
        began = time.perf_counter()
        ranking.recommend(histories, 10)
        _wait()
        rows.append({"ranking": name, "users_per_second": len(histories) / (time.perf_counter() - began)})
    return Part({"Ranking by titles": rows})


PARTS: dict[str, Callable[[Settings], Part]] = {
    "text": text,
    "padded": padded,
    "encode": encode,
    "soft": soft,
    "sasrec": sasrec,
    "recommend": recommend,
    "titles": titles,
    "quantized": quantized,
}


def _recipe(name: str, settings: Settings, *changes: str) -> Recipe:
    given = [f"backbone.base={settings.base}", f"backbone.dtype={settings.dtype}"]
    return Recipe.load(name, set=[*given, f"train.batch_tokens={settings.train_tokens}", *changes])


def _data(name: str) -> Dataset:
    return toy_films() if name == "toy" else open_data(name)


def _fitted(recipe: Recipe, data: Dataset) -> Recommender:
    split = Split.leave_last_out(data)
    return from_recipe(recipe).fit(split.train, valid=split.valid)


def _trained(recipe: Recipe, data: Dataset) -> Part:
    """Fit a recipe and evaluate it: what it cost, and each epoch."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    model = _fitted(recipe, data)
    fitted = time.perf_counter() - began
    report = evaluate({recipe.name: model}, Split.leave_last_out(data))
    log = model.train_log
    steady = log[1:] or log  # the first epoch holds what is compiled and allocated once
    seconds, tokens = sum(row["seconds"] for row in steady), sum(row["tokens"] for row in steady)
    row = {"recipe": recipe.name, "data": data.name, "events": data.events.height, "epochs": len(log),
           "seconds_of_all": fitted, "epoch_seconds": seconds / len(steady),
           "tokens_per_second": tokens / max(seconds, 1e-9), **_gpu_memory()}  # fmt: skip
    return Part({"Training": [row], "Epochs": log}, report)


def _timed(name: str, tokens: int, work: Callable[[], object]) -> dict[str, Any]:
    began = time.perf_counter()
    work()
    _wait()
    return {"encoder": name, "tokens_per_second": tokens / (time.perf_counter() - began), **_gpu_memory()}


def _sentence_transformers(settings: Settings, texts: list[str]) -> list[dict[str, Any]]:
    from eval.benchmarks.encoding import peer

    encoder, words = peer(settings.base, dtype=getattr(torch, settings.dtype), device=device_name())
    tokenizer: Any = words.tokenizer
    tokens = sum(len(ids) for ids in tokenizer(texts)["input_ids"])
    table = []
    for size in settings.peer_batches:
        work = partial(encoder.encode, batch_size=size, show_progress_bar=False)
        work(texts[:2000])  # warms up
        table.append(_timed(f"sentence-transformers, {size} texts a batch", tokens, partial(work, texts)))
    return table


def _matrix_flops(settings: Settings) -> float:
    """Measure what this device computes a second in a large matrix product of the same precision."""
    kind = getattr(torch, settings.dtype)
    one = torch.randn(settings.matrix, settings.matrix, device=device_name(), dtype=kind)
    for _ in range(3):
        one @ one
    _wait()
    began = time.perf_counter()
    for _ in range(10):
        one @ one
    _wait()
    return 10 * 2 * settings.matrix**3 / (time.perf_counter() - began)


def _gpu_memory() -> dict[str, float]:
    if not torch.cuda.is_available():
        return {}
    return {"gpu_memory_gib": torch.cuda.max_memory_allocated() / 1024**3}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
