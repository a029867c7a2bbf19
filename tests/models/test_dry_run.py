"""A dry run says what a fit would take, trains a few steps and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from llmrec import Dataset, Recipe, Split
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.errors import TrainingError
from llmrec.models import from_recipe
from llmrec.models.dry_run import DryRun, dry_run
from llmrec.training.probe import activation_bytes

MIB = 2**20


@pytest.fixture(scope="module")
def split() -> Split:
    """Enough toy films for a hundred batches an epoch."""
    return Split.leave_last_out(toy_films(n_items=12, n_users=600))


def test_parameters_batches_and_tokens_are_those_of_the_fit(gru_with: Callable[..., Recipe], split: Split) -> None:
    recipe = gru_with(epochs=2, patience=99)
    said = dry_run(recipe, split)
    one = said.measurement
    assert one is not None
    model = from_recipe(recipe).fit(split.train, valid=split.valid)
    assert one.n_parameters == one.n_trained == sum(v.numel() for v in model.network.parameters())  # type: ignore[attr-defined]
    assert one.n_batches == model.train_log[0]["step"]
    assert one.tokens == pytest.approx(model.train_log[0]["tokens"], rel=0.1)
    assert said.peak_gib == pytest.approx(model.metadata["cost"]["peak_memory_gib"], rel=0.15)


def test_time_is_of_the_whole_fit(gru_with: Callable[..., Recipe], split: Split) -> None:
    """How near it comes depends on what else the machine does: eval/benchmarks/dry_run_accuracy.py."""
    said = dry_run(gru_with(epochs=3, patience=99), split)
    one = said.measurement
    assert one is not None
    parts = said.setup_seconds, one.timing.batch, one.timing.save, one.validation_seconds
    assert min(parts) > 0
    of_an_epoch = one.n_batches * one.timing.batch + one.validation_seconds + one.timing.save
    assert said.total_seconds == pytest.approx(said.setup_seconds + 3 * of_an_epoch)


def test_limits_bound_the_time(gru_with: Callable[..., Recipe], split: Split) -> None:
    said = dry_run(gru_with(epochs=100), split)
    in_time = DryRun(gru_with(epochs=100, max_minutes=0.01), 1, measurement=said.measurement)
    assert said.total_seconds > 20 * said.train_seconds
    assert in_time.total_seconds < said.total_seconds / 2
    few = dict(in_time.table.select("what", "value").iter_rows())
    assert few["whole fit, 0.01 minutes of training"].startswith("at most ")
    open_ended = DryRun(gru_with(epochs=100, schedule="open_ended"), 1, measurement=said.measurement)
    assert "whole fit, 100 epochs or until nothing improves" in open_ended.table["what"].to_list()


def test_memory_by_part(gru_with: Callable[..., Recipe], split: Split) -> None:
    small, large = (dry_run(gru_with(batch_tokens=n), split).measurement for n in (120, 2400))
    assert small is not None
    assert large is not None
    assert small.memory["optimizer"] == 2 * small.memory["gradients"] == 2 * 4 * small.n_trained
    assert small.memory["trained weights"] == 4 * small.n_trained
    positions = large.largest_batch / small.largest_batch
    assert large.memory["activations"] / small.memory["activations"] == pytest.approx(positions, rel=0.2)
    assert (
        large.memory["logits"] == 4 * len(split.train.catalog) * large.largest_batch
    )  # all positions have a target


def test_activations_of_nested_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch may hold batches of labels: they, too, lie where the network is."""
    monkeypatch.setattr("llmrec.training.probe.device_name", lambda: "meta")

    class Network(torch.nn.Module):
        def forward(self, inputs: torch.Tensor, labels: dict[str, torch.Tensor]) -> torch.Tensor:
            assert inputs.device == labels["rating"].device == torch.device("meta")
            return (inputs.requires_grad_() * labels["rating"]).exp()

    tensors = {"inputs": torch.ones(2, 3), "labels": {"rating": torch.ones(2, 3)}}
    assert activation_bytes(Network(), tensors) > 0  # type: ignore[arg-type]


def test_an_llm(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    said = dry_run(tiny_recipe("text", "train.title_loss=0.1"), toy_split)
    one = said.measurement
    assert one is not None
    assert 0 < one.n_trained < one.n_parameters
    assert one.memory["gradients"] == one.memory["trained weights"] == 4 * one.n_trained
    assert one.memory["frozen weights"] >= 4 * (one.n_parameters - one.n_trained)
    assert one.memory["activations"] > MIB
    assert one.batch_tokens <= one.tokens


@pytest.mark.slow
def test_gradient_checkpointing_is_counted(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    plain, checkpointed = (
        dry_run(tiny_recipe("soft", f"backbone.gradient_checkpointing={value}"), toy_split).measurement
        for value in ("false", "true")
    )
    assert plain is not None
    assert checkpointed is not None
    assert checkpointed.memory["activations"] < 0.8 * plain.memory["activations"]


def test_a_stack_measures_what_is_trained_where_items_have_no_texts(split: Split) -> None:
    bare = Dataset.from_tables(split.data.events)
    quick = "sequence.dim=8 train.max_minutes=1"
    members = [f"gru-text-ids {quick}", f"gru-text {quick}", "popularity"]
    stack = Recipe.of({"name": "bare", "model": "stacked", "stack": {"members": members}})
    said = dry_run(stack, Split.leave_last_out(bare))
    assert [member.recipe.name for member in said.members] == ["gru", "popularity"]


def test_a_rule_and_a_stack(gru_with: Callable[..., Recipe], split: Split, tmp_path: Path) -> None:
    assert dry_run(Recipe.load("markov"), split).measurement is None
    (tmp_path / "gru.yaml").write_text(gru_with(epochs=2).to_yaml(), encoding="utf-8")
    members = [str(tmp_path / "gru.yaml"), "markov"]
    stack = Recipe.of({"name": "two", "model": "stacked", "stack": {"members": members}})
    said = dry_run(stack, split)
    assert [member.measurement is None for member in said.members] == [False, True]
    assert said.total_seconds == said.members[0].total_seconds > 0
    figures = dict(said.table.select("what", "value").iter_rows())
    assert figures["markov"] == "counts or solves: not measured"
    assert figures["whole fit, without counting and weighing"].startswith("at most ")
    rules = Recipe.of({"name": "rules", "model": "stacked", "stack": {"members": ["markov", "popularity"]}})
    figures = dict(dry_run(rules, split).table.select("what", "value").iter_rows())
    assert figures["training"].startswith("none in steps")
    assert "peak memory" not in figures


def test_several_processes_are_refused(
    gru_with: Callable[..., Recipe], split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="a dry run is of one process: leave out accelerate launch"):
        dry_run(gru_with(epochs=2), split)


def test_the_command_line_writes_nothing(
    gru_with: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_films(n_items=12, n_users=30).save(tmp_path / "data")
    (tmp_path / "gru.yaml").write_text(gru_with(epochs=2).to_yaml(), encoding="utf-8")
    words = ["fit", str(tmp_path / "gru.yaml"), "--data", str(tmp_path / "data")]
    before = sorted(tmp_path.rglob("*"))
    assert run([*words, "--dry-run", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    sources = {row["what"]: row["source"] for row in rows}
    assert sources["peak memory"] == "measured"
    assert sources["memory: activations"] == sources["train.batch_tokens that fit"] == "estimated"
    assert sorted(tmp_path.rglob("*")) == before
    assert run(words) == 2
    assert "say where the run is written with --out DIR, or pass --dry-run" in capsys.readouterr().err
    assert run([*words, "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    assert sorted(tmp_path.rglob("*")) == before
