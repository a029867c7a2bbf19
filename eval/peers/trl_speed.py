# /// script
# requires-python = ">=3.11"
# dependencies = ["trl>=1.0", "peft>=0.21", "torch==2.13.0", "polars"]
# ///
"""Train on one prompt a target with TRL, as the LLM recommenders of the literature do, and say how fast.

python trl_speed.py PROMPTS.parquet BASE_FOLDER STEPS THREADS. The file has the columns prompt and completion.
Prints one line of JSON: targets and seconds, the first step not counted.
"""

import json
import sys
import tempfile
import time

import polars as pl
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

BATCH = 2


class Clock(TrainerCallback):
    """Notes when each step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: object, **__: object) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def main() -> None:
    """Train some steps and print the speed."""
    prompts, base, steps, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    table = pl.read_parquet(prompts)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model, train_dataset=Dataset.from_dict(table.to_dict(as_series=False)),
            processing_class=AutoTokenizer.from_pretrained(base),
            args=SFTConfig(
                output_dir=folder, max_steps=int(steps), per_device_train_batch_size=BATCH,
                use_cpu=not torch.cuda.is_available(), bf16=False,
                max_length=None, report_to="none", save_strategy="no", logging_strategy="no",
                gradient_checkpointing=False, disable_tqdm=True,
            ),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[clock],
        )  # fmt: skip
        trainer.train()
    print(json.dumps({"targets": BATCH * (len(clock.times) - 1), "seconds": clock.times[-1] - clock.times[0]}))


if __name__ == "__main__":
    main()
