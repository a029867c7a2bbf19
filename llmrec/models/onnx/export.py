"""Write a run's encoder of histories and its items as a folder that onnxruntime and numpy read."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Catalog, Histories, Sequences
from llmrec.errors import ArtifactError, MissingExtra, ModelError
from llmrec.models.onnx.encoder import Encoder, encoder_of
from llmrec.models.run_files import BasePaths
from llmrec.models.runs import load_run
from llmrec.resources.cache import appearing, named
from llmrec.training.batching import padded

if TYPE_CHECKING:
    from llmrec.models.base import Recommender

ENCODER, ITEMS, IDS = "encoder.onnx", "items.npy", "ids.npy"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
# So many of the run's histories are scored by what is written, and compared.
COMPARED = 64
# A file of ONNX holds 2 GB at most: weights from half of that on lie beside it.
BESIDE_FROM = 2**30
SAME = 1e-4
HOW = """The encoder of histories{kind}, and the items. numpy and onnxruntime are enough:

    import numpy as np
    import onnxruntime

    ids, items = np.load("ids.npy"), np.load("items.npy")
    encoder = onnxruntime.InferenceSession("encoder.onnx")
    codes = {{item: code for code, item in enumerate(ids)}}
    history = [codes[item] for item in {example} if item in codes]
    [user] = encoder.run(None, {{"items": np.array([history[-{max_items}:]], dtype=np.int64)}})[0]
    scores = items[:, :-1] @ user + items[:, -1]
{unseen}    for code in np.argsort(-scores)[:10]:
        if scores[code] > -np.inf:
            print(ids[code], scores[code])

The last number of an item is its bias; that of a removed item is -inf. Of a history the newest {max_items} items
are read. Several histories at once, at least one, are rows of one length, padded on the right with -1.
{repeats}
"""
# By whether the run leaves out the items of a history.
UNSEEN = {True: "    scores[history] = -np.inf\n", False: ""}
REPEATS = {
    True: "Items of the history are not recommended again, as by the run.",
    False: "Items of the history may be recommended again, as by the run.",
}


def export_onnx(run: str | Path, out: str | Path, *, int8: bool = False, base: BasePaths | None = None) -> Path:
    """Write a run's encoder of histories and its items into the new folder ``out``, whole or not at all.

    For networks over item ids or texts, and LLMs that read item vectors. What is written is compared with the run:
    scores are equal to 1e-4. ``int8``: matrices are multiplied in 8 bits, by dynamic quantization; what that
    changes is written into README.md. ``base``: see ``llmrec.load``. Raises DataError for a run of another model,
    ArtifactError where ``out`` exists, MissingExtra, ModelError where PyTorch cannot write the network.
    """
    folder = named(Path(out))
    if folder.exists():
        raise ArtifactError(f"{folder} exists already; choose another --out or remove it")
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"--to onnx needs {', '.join(missing)}: pip install 'llmrec[onnx]'")
    model = load_run(run, base=base).for_scores()
    encoder = encoder_of(model, Path(run))
    histories = _histories(model)
    with appearing(folder) as temporary, _quiet():
        _write_items(encoder, model.catalog, temporary)
        _write_network(encoder, temporary)
        expected = model.score(histories)
        _require_same(_scores(encoder, model.catalog, histories, temporary), expected)
        kind = ""
        if int8:
            _quantize(temporary)
            same = _overlap(_scores(encoder, model.catalog, histories, temporary), expected)
            kind = (
                f", whose matrices are multiplied in 8 bits (of a user's ten best items {same:.0%} are the run's)"
            )
        (temporary / "README.md").write_text(_readme(model, encoder, kind), encoding="utf-8")
    return folder


def _readme(model: Recommender, encoder: Encoder, kind: str) -> str:
    text = HOW.format(
        kind=kind,
        example=model.catalog.ids[:3],
        max_items=encoder.max_items,
        unseen=UNSEEN[model.exclude_seen],
        repeats=REPEATS[model.exclude_seen],
    )
    return f"# {model.recipe.name}, for ONNX\n\n{text}"


def _histories(model: Recommender) -> Histories:
    """Return some histories that the run knows, those of drawn items where it knows none, and an empty one."""
    known, ids = model.histories, model.catalog.ids
    lists = [known.items(n) for n in range(min(COMPARED, len(known)))]
    if not lists:
        draw = np.random.default_rng(0)
        lists = [[ids[code] for code in draw.integers(0, len(ids), length)] for length in range(1, COMPARED)]
    return Histories.of([*lists, []])


def _write_items(encoder: Encoder, catalog: Catalog, folder: Path) -> None:
    """Write ids, and vectors with their biases: [n_items, dim + 1]."""
    biases = encoder.biases if catalog.removed is None else np.where(catalog.removed, -np.inf, encoder.biases)
    np.save(folder / ITEMS, np.concatenate([encoder.items, biases[:, None]], axis=1, dtype=np.float32))
    np.save(folder / IDS, np.array(catalog.ids, dtype=np.str_))


def _write_network(encoder: Encoder, folder: Path) -> None:
    """Write the network for any number of histories of any length. Raises ModelError."""
    import torch

    example = torch.tensor([[0, 0, -1], [0, 0, 0]])
    size = sum(tensor.numel() * tensor.element_size() for tensor in encoder.network.state_dict().values())
    any_size = torch.export.Dim.DYNAMIC
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                encoder.network,
                (example,),
                input_names=["items"],
                output_names=["users"],
                dynamic_shapes={"items": {0: any_size, 1: any_size}},
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0][:200]
        raise ModelError(f"PyTorch cannot write this network to ONNX: {reason}") from error
    assert program is not None
    program.save(str(folder / ENCODER), external_data=size > BESIDE_FROM)


def _quantize(folder: Path) -> None:
    """Replace the network's file by one whose matrices are multiplied in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    files = list(folder.glob(f"{ENCODER}*"))
    exact = folder / "exact"
    exact.mkdir()
    for file in files:
        file.rename(exact / file.name)
    quantize_dynamic(
        exact / ENCODER,
        folder / ENCODER,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=len(files) > 1,
    )
    shutil.rmtree(exact)


def _scores(encoder: Encoder, catalog: Catalog, histories: Histories, folder: Path) -> Float32s:
    """Score histories by what is written, float32 [n, n_items]."""
    import onnxruntime

    sequences = Sequences.encode(histories, catalog).last(encoder.max_items)
    inputs = padded(sequences, np.arange(len(sequences))).astype(np.int64)
    [users] = onnxruntime.InferenceSession(str(folder / ENCODER)).run(None, {"items": inputs})
    items = np.load(folder / ITEMS)
    return np.asarray(users @ items[:, :-1].T + items[:, -1], dtype=np.float32)


def _require_same(scores: Float32s, expected: Float32s) -> None:
    """Raise ModelError where scores are not the run's; those of removed items are -inf."""
    there = ~np.isneginf(scores)  # nan is there, and not the run's
    largest = float(np.abs(scores - expected)[there].max(initial=0.0))
    if not largest <= SAME or not there.any():
        raise ModelError(
            f"the exported network's scores are not the run's (apart by up to {largest:.2g}): this model cannot "
            "be written to ONNX"
        )


def _overlap(scores: Float32s, expected: Float32s) -> float:
    """Return which share of the ten best items of each history two scorings have in common."""
    best, theirs = (
        np.argsort(-one, axis=1)[:, :10] for one in (scores, np.where(np.isinf(scores), scores, expected))
    )
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(best, theirs, strict=True)]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what PyTorch and onnxruntime say of their own operators.

    onnxruntime says it by the root logger itself, whose filter leaves alone what loggers below pass up to it.
    """
    root, loggers = logging.getLogger(), [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    root.addFilter(_is_error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(_is_error)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
