"""What fine-tuning, encoding and searching cost at other sizes: python eval/cost.py write | check.

Writes eval/COST.md from measured rates (eval/results/) and the assumptions that the page states; `check` fails
where the page is older than these. Sizes of the bases are those of their published configurations.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from eval.common import RESULTS, ROOT, read_result
from llmrec.config import Recipe, names
from llmrec.retrieval.kinds import KINDS, memory_bytes

ENCODING, QUICKSTART = "gpu_check-encode.json", "quickstart.json"
PAGE = ROOT / "eval" / "COST.md"
USERS = (10_000, 1_000_000, 100_000_000)
ITEMS = (10_000, 1_000_000, 100_000_000)
EVENTS = 50  # of a user: the newest that are read
TOKENS_AN_EVENT = 16.5  # ML-100K's titles with year and genres, see LOG.md
TOKENS_AN_ITEM = 64  # where an item's text is cut
GOAL = 0.4  # the share of a card's bf16 peak that encoding should reach
DIM = 256  # of user and item vectors
GPUS = 8  # in a machine
QUANTIZED_BYTES = 0.516  # a parameter in nf4 with doubly quantized constants (Dettmers et al. 2023)
TITLES_AT_ONCE = 2048  # of llmrec.models.llm.title_loss, whose module needs torch


@dataclass(frozen=True)
class Sizes:
    """Parameters of a base: of its blocks, which each token is multiplied with, and of its token embeddings.

    ``ends_of_linear``: inputs and outputs of all linear layers, of each of which an adapter has ``r`` rows.
    """

    blocks: int
    embeddings: int
    ends_of_linear: int


@dataclass(frozen=True, eq=False)
class Base:
    """A causal LLM by its configuration, as published; ``kind`` names transformers' class of configurations."""

    hub: str
    kind: str
    config: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name without the maker's."""
        return self.hub.rpartition("/")[2]

    def sizes(self) -> Sizes:
        """Count its parameters, without making it."""
        import torch
        import transformers

        config = getattr(transformers, self.kind)(**self.config)
        with torch.device("meta"):
            model = transformers.AutoModel.from_config(config, trust_remote_code=False)
        embeddings = model.get_input_embeddings().weight.numel()
        linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
        return Sizes(
            blocks=sum(value.numel() for value in model.parameters()) - embeddings,
            embeddings=embeddings,
            ends_of_linear=sum(module.in_features + module.out_features for module in linear),
        )


def _llama(hub: str, vocabulary: int, width: int, inner: int, layers: int, heads: int, kv: int) -> Base:
    sizes = {"vocab_size": vocabulary, "hidden_size": width, "intermediate_size": inner}
    depth = {"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv}
    return Base(hub, "LlamaConfig", {**sizes, **depth})


def _qwen(hub: str, width: int, inner: int, layers: int, heads: int) -> Base:
    sizes = {"vocab_size": 151_936, "hidden_size": width, "intermediate_size": inner, "head_dim": 128}
    depth = {"num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": 8}
    return Base(hub, "Qwen3Config", {**sizes, **depth})


def _gemma(hub: str, width: int, inner: int, layers: int) -> Base:
    sizes = {"vocab_size": 262_144, "hidden_size": width, "intermediate_size": inner, "head_dim": 256}
    depth = {"num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 1}
    return Base(hub, "Gemma3TextConfig", {**sizes, **depth})


BASES = (
    _llama("HuggingFaceTB/SmolLM2-135M", 49_152, 576, 1536, 30, 9, 3),
    _gemma("google/gemma-3-270m", 640, 2048, 18),
    _llama("HuggingFaceTB/SmolLM2-360M", 49_152, 960, 2560, 32, 15, 5),
    _qwen("Qwen/Qwen3-0.6B-Base", 1024, 3072, 28, 16),
    _gemma("google/gemma-3-1b-pt", 1152, 6912, 26),
    _llama("meta-llama/Llama-3.2-1B", 128_256, 2048, 8192, 16, 32, 8),
    _llama("HuggingFaceTB/SmolLM2-1.7B", 49_152, 2048, 8192, 24, 32, 32),
    _qwen("Qwen/Qwen3-1.7B-Base", 2048, 6144, 28, 16),
    _llama("meta-llama/Llama-3.2-3B", 128_256, 3072, 8192, 28, 24, 8),
    _qwen("Qwen/Qwen3-4B-Base", 2560, 9728, 36, 32),
    _qwen("Qwen/Qwen3-8B-Base", 4096, 12_288, 36, 32),
)


@dataclass(frozen=True)
class Rates:
    """What was measured: a card's TFLOPS in a large matrix product, and the share of it that encoding reached."""

    card: str
    peak: float
    share: float
    cpu: str
    soft_tokens: float  # a second, on two CPU cores

    @classmethod
    def measured(cls) -> Rates:
        """Read them from the results."""
        encoding, quickstart = (
            read_result(RESULTS / f"{name}.json") for name in ("gpu_check-encode", "quickstart")
        )
        rows = [row for section in encoding["sections"] for row in section["rows"]]
        share = max(row["share_of_matrix_peak"] for row in rows if str(row.get("encoder")).startswith("llmrec"))
        peak = next(row["tflops"] for row in rows if "tflops" in row)
        llm = next(row for row in quickstart["report"]["results"] if row["model"] == "llm")
        cpu = quickstart["report"]["machine"]["processor"]
        return cls(encoding["machine"]["gpu"], peak, share, cpu, llm["cost"]["tokens_per_second"])

    def hours(self, flops: float, share: float) -> float:
        """Return the hours of one card for so many floating-point operations."""
        return flops / (self.peak * 1e12 * share) / 3600


def memory_of(recipe: Recipe, base: Base, sizes: Sizes) -> list[float]:
    """Estimate the bytes of fine-tuning: weights, adapter with its optimizer, activations, logits.

    Activations are 34 bytes a token, block and unit of width, or 2 and those of one block with gradient
    checkpointing (Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models").
    """
    tokens, config = recipe.train.batch_tokens, base.config
    block_bytes = QUANTIZED_BYTES if recipe.backbone.quantize == "4bit" else 2
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    held = 2 * layers + 34 if recipe.backbone.gradient_checkpointing else 34 * layers
    weights = block_bytes * sizes.blocks + 2 * sizes.embeddings
    adapter = 16 * recipe.lora.r * sizes.ends_of_linear  # float32: weight, gradient, two means of AdamW
    logits = 3 * 4 * TITLES_AT_ONCE * config["vocab_size"] if recipe.train.title_loss else 0
    return [weights, adapter, tokens * width * held, logits]


def page(rates: Rates) -> str:
    """Return COST.md."""
    counted = {base: base.sizes() for base in BASES}
    values = {
        "rates": rates,
        "share": f"{rates.share:.0%}",
        "goal": f"{GOAL:.0%}",
        "files": {"encoding": ENCODING, "quickstart": QUICKSTART},
        "events": EVENTS,
        "event_tokens": TOKENS_AN_EVENT,
        "item_tokens": TOKENS_AN_ITEM,
        "dim": DIM,
        "gpus": GPUS,
        "machine_hours": 1000 // GPUS,
        "boxes": math.ceil(1000 / GPUS / 24),
        "most_items": f"{ITEMS[-1]:,}",
        "on_disk": size(4 * (DIM + 1) * ITEMS[-1]),
        "training": training_table(rates, counted),
        "memory": memory_table(counted),
        "on_cpu": cpu_table(rates),
        "encoding": encoding_table(rates, counted),
        "index": index_table(),
    }
    template = Path(__file__).with_suffix(".md.j2").read_text(encoding="utf-8")
    return Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(template).render(values)


def training_table(rates: Rates, counted: Mapping[Base, Sizes]) -> str:
    """Hours of an epoch by base and users."""
    rows = []
    for base, sizes in counted.items():
        flops = [4 * sizes.blocks * users * EVENTS * TOKENS_AN_EVENT for users in USERS]
        rows.append([base.name, f"{sizes.blocks / 1e6:,.0f}M", *(_two(rates, each) for each in flops)])
    return table(["base", "parameters in blocks", *(f"{users:,} users" for users in USERS)], rows)


def encoding_table(rates: Rates, counted: Mapping[Base, Sizes]) -> str:
    """Hours of encoding a catalog by base and items."""
    rows = []
    for base, sizes in counted.items():
        flops = [2 * sizes.blocks * items * TOKENS_AN_ITEM for items in ITEMS]
        rows.append([base.name, *(_two(rates, each) for each in flops)])
    return table(["base", *(f"{items:,} items" for items in ITEMS)], rows)


def memory_table(counted: Mapping[Base, Sizes]) -> str:
    """Memory by shipped recipe of one of the bases."""
    rows = []
    for name, base in read_as_text():
        parts = memory_of(Recipe.load(name), base, counted[base])
        rows.append([f"`{name}`", *map(size, [*parts, sum(parts)])])
    return table(["recipe", "weights", "adapter", "activations", "logits", "sum"], rows)


def read_as_text() -> list[tuple[str, Base]]:
    """Return the shipped recipes whose whole base reads histories as text, and the base."""
    by_name = {base.hub: base for base in BASES} | {base.name.lower(): base for base in BASES}
    recipes = [Recipe.load(name) for name in names()]
    return [
        (recipe.name, by_name[recipe.backbone.base])
        for recipe in recipes
        if recipe.model == "llm" and recipe.history.encoding == "text" and recipe.backbone.layers is None
    ]


def cpu_table(rates: Rates) -> str:
    """Hours of an epoch on a CPU by users."""
    tokens = [users * EVENTS for users in USERS]
    rows = [
        [f"{users:,}", f"{each:,}", hours(each / rates.soft_tokens / 3600)]
        for users, each in zip(USERS, tokens, strict=True)
    ]
    return table(["users", "tokens an epoch", "hours an epoch"], rows)


def index_table() -> str:
    """Memory of an index by kind and items."""
    rows = []
    for kind in KINDS:
        needs = [memory_bytes(kind, items, DIM + 1, bytes_per_item=16) for items in ITEMS]
        rows.append([kind, *map(size, needs)])
    return table(["kind", *(f"{items:,} items" for items in ITEMS)], rows)


def _two(rates: Rates, flops: float) -> str:
    return f"{hours(rates.hours(flops, rates.share))} / {hours(rates.hours(flops, GOAL))}"


def hours(value: float) -> str:
    """Write hours with two significant digits."""
    return f"{float(f'{value:.2g}'):,g}"


def size(n_bytes: float) -> str:
    """Write a size in MiB or GiB."""
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:,.1f} GiB"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; all columns but the first are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Write the page, or check it."""
    if sys.argv[1:] not in (["write"], ["check"]):
        raise SystemExit(__doc__)
    text = page(Rates.measured())
    if sys.argv[1] == "write":
        PAGE.write_text(text, encoding="utf-8")
        print(f"written: {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        raise SystemExit("eval/COST.md is older than the results: python eval/cost.py write")


if __name__ == "__main__":
    main()
