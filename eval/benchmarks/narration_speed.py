"""Time batched narration against a loop of ``model.generate``, one sentence at a time, in one run.

python eval/benchmarks/narration_speed.py RUN [--sentences 32] [--base smollm2-135m]
The loop gets the same prompts and the same limit on quoted titles. Both decode greedily; where their words differ,
the result says by how much the scores of the two tokens did: batches round differently. Writes
narration_speed.json.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

import llmrec
from eval.common import arguments, write_result
from llmrec.llm.chat import Chat
from llmrec.llm.constrained import allowed_only
from llmrec.reasons import NarrationRequest, occlusion


def one_by_one(chat: Chat, requests: list[NarrationRequest]) -> tuple[list[str], list[torch.Tensor]]:
    """Answer each chat by its own ``model.generate``; also return the scores of each step."""
    model, tokenizer = chat.loaded
    answers, steps = [], []
    for request in requests:
        ids = torch.tensor([chat.encode(request.messages())])
        with torch.inference_mode():
            out = model.generate(  # type: ignore[operator]
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=80,
                pad_token_id=tokenizer.pad_token_id,
                output_logits=True,
                return_dict_in_generate=True,
                logits_processor=allowed_only(tokenizer, [request.quotes()], ids.shape[1]),
            )
        answers.append(str(tokenizer.decode(out.sequences[0, ids.shape[1] :], skip_special_tokens=True)).strip())
        steps.append(torch.cat(out.logits))
    return answers, steps


def margin(chat: Chat, one: str, other: str, steps: torch.Tensor) -> float:
    """Return the difference of the loop's scores of the first two differing tokens."""
    tokenizer = chat.loaded[1]
    ours, theirs = (tokenizer.encode(text, add_special_tokens=False) for text in (one, other))
    first = next(n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    return float(abs(steps[first, ours[first]] - steps[first, theirs[first]]))


def main() -> None:
    """Time both on the same requests, after one warm-up each."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sentences", type=int, default=32)
    parser.add_argument("--base", default="smollm2-135m")
    args = parser.parse_args()
    model, chat = llmrec.load(args.run), Chat(args.base)
    histories = model.histories.take(np.arange(2 * args.sentences))
    evidence = occlusion(model, histories, model.recommend(histories, 1), most=10)
    requests = [NarrationRequest(one) for one in evidence if one.cited][: args.sentences]
    chat.answer([requests[0].messages()], quotes=[requests[0].quotes()])
    clocks = [(time.perf_counter(), time.process_time())]
    batched = chat.answer(
        [request.messages() for request in requests], quotes=[request.quotes() for request in requests]
    )
    clocks.append((time.perf_counter(), time.process_time()))
    looped, steps = one_by_one(chat, requests)
    clocks.append((time.perf_counter(), time.process_time()))
    margins = [margin(chat, a, b, s) for a, b, s in zip(batched, looped, steps, strict=True) if a != b]
    tokens = sum(len(ids) for ids in chat.loaded[1](batched)["input_ids"])
    rows = [
        {"mode": mode, "seconds": wall, "cpu_seconds": cpu, "tokens_per_second": tokens / wall}
        for mode, (wall, cpu) in zip(("batched", "loop"), np.diff(np.array(clocks), axis=0).tolist(), strict=True)
    ]
    rows[1]["times_batched"] = rows[1]["seconds"] / rows[0]["seconds"]
    rows[1]["times_batched_cpu"] = rows[1]["cpu_seconds"] / rows[0]["cpu_seconds"]
    settings = {
        "sentences": len(requests),
        "batch": chat.batch,
        "same sentences": len(requests) - len(margins),
        "score margins where they differ": margins,
    }
    print(*rows, sep="\n")
    write_result(args.out / "narration_speed.json", {"Narration": rows}, settings=settings)


if __name__ == "__main__":
    main()
