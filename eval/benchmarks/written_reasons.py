"""Have somebody write reasons from the very messages that a chat server gets, and read what was written.

python eval/benchmarks/written_reasons.py RUN --write REQUESTS.jsonl [--requests 60] [--each 5] [--language en]
    [--plain] [--data DATA]
python eval/benchmarks/written_reasons.py RUN --read ANSWERS.jsonl [--again ANSWERS.jsonl] [--retries FILE.jsonl]
    [--name NAME] [and what --write was given besides]
--write: one request a line, its id and its chat messages. An answer is a line {"id": ..., "text": ...}; whoever
writes it sees the messages and nothing else. --plain: the messages that the LLM on this machine gets, which do not
say what the audit reads. --read audits the answers, writes to --retries what the writers of refused ones are told,
and reads their second answers from --again; a request without an answer falls back to the template. --data: the
prepared log of the run, for its times and prices. Writes NAME.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import llmrec
from eval.common import Row, arguments, with_log, write_result
from llmrec.evaluation import bootstrap
from llmrec.evaluation.reasons.text_metrics import unique_ratio
from llmrec.evaluation.reasons.variety import distinct_forms, fact_bits, n_words, self_bleu, tells_more
from llmrec.reasons import Explanations, NarrationRequest, TemplateNarrator
from llmrec.reasons.chat_request import chat_messages
from llmrec.reasons.narrate import first_line
from llmrec.reasons.pipeline import reason_requests, worded
from llmrec.resources.cache import replace_file

Messages = list[dict[str, str]]


@dataclass
class Written:
    """A narrator whose words are in files: first answers, then second ones. It keeps what it asks for again."""

    ids: Mapping[int, str]
    first: Mapping[str, str]
    second: Mapping[str, str]
    plain: bool
    retries: dict[str, Messages] = field(default_factory=dict)
    backend: str = "written"

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Look each request up; None for one that nobody answered."""
        answers = [self._answer(request) for request in requests]
        return [None if answer is None else first_line(answer) for answer in answers]

    def _answer(self, request: NarrationRequest) -> str | None:
        name = self.ids[id(request.evidence)]
        if not request.faults:
            return self.first.get(name)
        self.retries[name] = messages(request, plain=self.plain)
        return self.second.get(name)


def messages(request: NarrationRequest, *, plain: bool) -> Messages:
    """Write a request for a chat LLM."""
    return request.messages() if plain else chat_messages(request)


def requested(args: argparse.Namespace) -> dict[str, NarrationRequest]:
    """Return the requests by their ids: of users drawn with a fixed seed, those that an LLM would be asked for."""
    model, rng = llmrec.load(args.run), np.random.default_rng(0)
    if args.data is not None:
        model.histories = with_log(model.histories, args.data)
    drawn = rng.permutation(len(model.histories))
    chosen: dict[str, NarrationRequest] = {}
    for start in range(0, len(drawn), args.requests):
        histories = model.histories.take(drawn[start : start + args.requests])
        requests = reason_requests(model, model.recommend(histories, args.each), histories, language=args.language)
        narrated = [one for one in requests if one.evidence.cited and not one.evidence.chosen_earlier]
        chosen |= {f"{one.evidence.user_id}-{one.evidence.item.item_id}": one for one in narrated}
        if len(chosen) >= args.requests:
            break
    return dict(list(chosen.items())[: args.requests])


def write_lines(path: Path, several: Mapping[str, Messages]) -> None:
    """Write messages by id, one a line."""
    lines = [json.dumps({"id": name, "messages": one}, ensure_ascii=False) for name, one in several.items()]
    replace_file(path, "".join(f"{line}\n" for line in lines))
    print(f"written: {path} ({len(lines)} requests)")


def read_answers(path: Path | None, known: Mapping[str, object]) -> dict[str, str]:
    """Read answers by id. Raises SystemExit for a line that is none, an unknown id, or one answered twice."""
    answers: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path else [], start=1):
        try:
            row = json.loads(line)
            name, text = str(row["id"]), str(row["text"])
        except (ValueError, KeyError, TypeError):
            raise SystemExit(f'{path}: line {number} is no {{"id": ..., "text": ...}}') from None
        if name not in known or name in answers:
            raise SystemExit(
                f"{path}: line {number}: '{name}' is {'answered twice' if name in answers else 'no request'}"
            )
        answers[name] = text
    return answers


def measured(why: Explanations) -> Row:
    """Return how reasons read."""
    alike = self_bleu(why)
    return {
        "distinct_forms": distinct_forms(why),
        "self_bleu": bootstrap(alike).model_dump() if len(alike) else None,
        "median_words": float(np.median(n_words(why))),
        "unique_ratio": unique_ratio([one.sentence for one in why]),
        "tells_more": float(tells_more(why).mean()),
        "fact_bits": float(fact_bits(why).mean()),
    }


def shares(why: Explanations) -> list[Row]:
    """Return how many reasons passed at first, after a retry, and not at all."""
    passed = np.array([one.first_try for one in why])
    fell = np.array([one.replaced for one in why])
    outcomes = {
        "passed at first": passed,
        "passed after one retry": ~passed & ~fell,
        "fell back to the template": fell,
    }
    return [
        {"outcome": name, "reasons": int(of.sum()), "share": bootstrap(of.astype(np.float64)).model_dump()}
        for name, of in outcomes.items()
    ]


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--write", type=Path)
    task.add_argument("--read", type=Path)
    parser.add_argument("--again", type=Path, help="second answers")
    parser.add_argument("--retries", type=Path, help="where to write what is asked again")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--each", type=int, default=5, help="of a user's list")
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument("--plain", action="store_true", help="without what the audit reads")
    parser.add_argument("--data", help="a built-in name or a folder")
    parser.add_argument("--name", default="written-reasons", help="of the result")
    return parser.parse_args()


def main() -> None:
    """Write requests, or read answers and measure."""
    args = parsed()
    requests = requested(args)
    written = {name: messages(one, plain=args.plain) for name, one in requests.items()}
    if args.write:
        write_lines(args.write, written)
        return
    answers, again = read_answers(args.read, requests), read_answers(args.again, requests)
    narrator = Written({id(one.evidence): name for name, one in requests.items()}, answers, again, args.plain)
    why = Explanations(tuple(worded(list(requests.values()), narrator)), args.language)
    if args.retries:
        write_lines(args.retries, narrator.retries)
    planned = Explanations(tuple(worded(list(requests.values()), TemplateNarrator())), args.language)
    faults = Counter(fault.split("'")[0].strip() for one in why for fault in one.faults)
    sections: dict[str, list[Row]] = {
        "What became of the answers": shares(why),
        "How the reasons read": [
            {"reasons": "as shown", **measured(why)},
            {"reasons": "as planned", **measured(planned)},
        ],
    }
    if faults:
        sections["What the audit found wrong"] = [
            {"fault": name, "times": n} for name, n in faults.most_common(12)
        ]
    sizes = [sum(len(turn["content"]) for turn in one) for one in written.values()]
    write_result(
        args.out / f"{args.name}.json",
        sections,
        settings={
            "run": args.run.name,
            "requests": len(requests),
            "answers": len(answers),
            "second answers": len(again),
            "messages": "those of the LLM on this machine" if args.plain else "those of a chat server",
            "median characters of a request": float(np.median(sizes)),
        },
        details={"reasons": [[one.sentence, one.backend, *one.faults] for one in why]},
    )


if __name__ == "__main__":
    main()
