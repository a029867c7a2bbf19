"""Evaluation: the same queries for every model, metrics per user, intervals, paired tests, cost, and reasons."""

from llmrec.evaluation.evaluator import evaluate
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.reasons.faithfulness import deletion_test, faithfulness, judge_reasons
from llmrec.evaluation.report.report import Report
from llmrec.evaluation.responses.judge import judge_responses, response_queries
from llmrec.evaluation.responses.report import ResponseReport
from llmrec.evaluation.significance import Interval, bootstrap, paired_p_value
from llmrec.metrics import Hits, register_metric

__all__ = [
    "EvaluationProtocol",
    "Hits",
    "Interval",
    "Report",
    "ResponseReport",
    "bootstrap",
    "deletion_test",
    "evaluate",
    "faithfulness",
    "judge_reasons",
    "judge_responses",
    "paired_p_value",
    "register_metric",
    "response_queries",
]
