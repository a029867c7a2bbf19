"""Time batched narration against a loop of ``model.generate``, one sentence at a time, in one run.

python eval/benchmarks/narration_speed.py RUN [--sentences 32] [--base smollm2-135m] [--out
eval/results/narration_speed.json]
The loop gets the same prompts and the same limit on quoted titles. Both decode greedily; where their words
differ, the result says by how much the scores of the two tokens did: batches round differently.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

import llmrec
from llmrec.llm.chat import Chat
from llmrec.llm.constrained import allowed_only
from llmrec.reasons import NarrationRequest, occlusion
from llmrec.runtime import machine, versions


def one_by_one(chat: Chat, tasks: list[NarrationRequest]) -> tuple[list[str], list[torch.Tensor]]:
    """Answer each chat by its own ``model.generate``; also return the scores of each step."""
    model, tokenizer = chat.loaded
    answers, steps = [], []
    for task in tasks:
        ids = torch.tensor([chat.encode(task.messages())])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=80,
                pad_token_id=tokenizer.pad_token_id,
                output_logits=True,
                return_dict_in_generate=True,
                logits_processor=allowed_only(tokenizer, [task.quotes()], ids.shape[1]),
            )
        answers.append(tokenizer.decode(out.sequences[0, ids.shape[1] :], skip_special_tokens=True).strip())
        steps.append(torch.cat(out.logits))
    return answers, steps


def margin(chat: Chat, one: str, other: str, steps: torch.Tensor) -> float:
    """Return how far apart the loop's scores of the first two differing tokens lie."""
    tokenizer = chat.loaded[1]
    ours, theirs = (tokenizer.encode(text, add_special_tokens=False) for text in (one, other))
    place = next(n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    return float(abs(steps[place, ours[place]] - steps[place, theirs[place]]))


def main() -> None:
    """Time both ways on the same tasks, after one warm-up each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sentences", type=int, default=32)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--out", type=Path, default=Path("eval/results/narration_speed.json"))
    options = parser.parse_args()
    model, chat = llmrec.load(options.run), Chat(options.base)
    histories = model.histories.take(np.arange(2 * options.sentences))
    told = [
        NarrationRequest(one)
        for one in occlusion(model, histories, model.recommend(histories, 1), most=10)
        if one.cited
    ]
    tasks = told[: options.sentences]
    chat.answer([tasks[0].messages()], quotes=[tasks[0].quotes()])
    clocks = [(time.perf_counter(), time.process_time())]
    batched = chat.answer([task.messages() for task in tasks], quotes=[task.quotes() for task in tasks])
    clocks.append((time.perf_counter(), time.process_time()))
    looped, steps = one_by_one(chat, tasks)
    clocks.append((time.perf_counter(), time.process_time()))
    (batched_wall, batched_cpu), (loop_wall, loop_cpu) = np.diff(np.array(clocks), axis=0).tolist()
    other = [margin(chat, a, b, s) for a, b, s in zip(batched, looped, steps, strict=True) if a != b]
    tokens = sum(len(ids) for ids in chat.loaded[1](batched)["input_ids"])
    speeds = {"batched": tokens / batched_wall, "loop": tokens / loop_wall}
    result = {
        "sentences": len(tasks),
        "batch": chat.batch,
        "same": len(tasks) - len(other),
        "margins": other,
        "seconds": {"batched": batched_wall, "loop": loop_wall},
        "tokens_per_second": speeds,
        "cpu_seconds": {"batched": batched_cpu, "loop": loop_cpu},
        "times_faster": loop_wall / batched_wall,
        "times_less_cpu": loop_cpu / batched_cpu,
        "machine": machine(),
        "versions": versions(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
