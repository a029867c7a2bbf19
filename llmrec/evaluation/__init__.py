"""The judge: the same questions to every model, per-user metrics, intervals, paired tests, cost, and reasons."""

from llmrec.evaluation.faithful import deletion_test, faithfulness, judge_reasons
from llmrec.evaluation.judge import evaluate
from llmrec.evaluation.protocol import Protocol
from llmrec.evaluation.report import Report
from llmrec.evaluation.response_report import ResponseReport
from llmrec.evaluation.responses import judge_responses, response_questions

__all__ = [
    "Protocol",
    "Report",
    "ResponseReport",
    "deletion_test",
    "evaluate",
    "faithfulness",
    "judge_reasons",
    "judge_responses",
    "response_questions",
]
