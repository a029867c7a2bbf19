# /// script
# requires-python = ">=3.11"
# dependencies = ["trl>=1.0", "peft>=0.21", "torch==2.13.0", "polars"]
# ///
"""Train on one prompt a target with TRL, as the LLM recommenders of the literature do, and say how fast.

python trl_sft.py PROMPTS.parquet BASE_FOLDER [--steps N | --minutes M] [--threads N] [--out FOLDER]. The file has
the columns prompt and completion, texts or lists of messages. Prints one line of JSON: steps, targets and their
seconds, the first step not counted; seconds of the whole training; the device. With --out the model is written
there, its adapters merged.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, TrainerControl
from trl import SFTConfig, SFTTrainer


class Clock(TrainerCallback):
    """Notes when each step ended, and stops when the time is up."""

    def __init__(self, seconds: float) -> None:
        self.began, self.seconds = 0.0, seconds
        self.times: list[float] = []

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Start."""
        self.began = time.perf_counter()

    def on_step_end(self, args: object, state: object, control: TrainerControl, **_: object) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())
        control.should_training_stop |= self.times[-1] - self.began > self.seconds


def load(base: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """Load a base model and its tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, trust_remote_code=False)
    return model, AutoTokenizer.from_pretrained(base, trust_remote_code=False)


def main() -> None:
    """Train and print the speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("base")
    parser.add_argument("--steps", type=int, default=-1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    table = pl.read_parquet(args.prompts)
    model, tokenizer = load(args.base, torch.bfloat16 if args.bf16 else torch.float32)
    clock = Clock(60 * args.minutes)
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            train_dataset=Dataset.from_dict(table.to_dict(as_series=False)),
            processing_class=tokenizer,
            args=SFTConfig(
                output_dir=folder,
                max_steps=args.steps,
                num_train_epochs=1,
                seed=0,
                per_device_train_batch_size=args.batch,
                learning_rate=2e-4,  # ten times the default, as for LoRA
                lr_scheduler_type="constant_with_warmup",
                warmup_steps=10,
                use_cpu=not torch.cuda.is_available(),
                bf16=args.bf16,
                max_length=None,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                gradient_checkpointing=False,
                disable_tqdm=True,
            ),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[clock],
        )
        trainer.train()
    if args.out is not None:
        trainer.model.to(torch.float32).merge_and_unload().save_pretrained(args.out)
        tokenizer.save_pretrained(args.out)
    timed = {"targets": args.batch * (len(clock.times) - 1), "seconds": clock.times[-1] - clock.times[0]}
    spent = clock.times[-1] - clock.began
    print(json.dumps({"steps": len(clock.times), **timed, "train_seconds": spent, "device": model.device.type}))


if __name__ == "__main__":
    main()
