"""The judge: the same questions to every model, per-user metrics, intervals, paired tests, cost, and reasons."""

from llmrec.evaluation.evaluator import evaluate
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.reasons.faithfulness import deletion_test, faithfulness, judge_reasons
from llmrec.evaluation.report.report import Report
from llmrec.evaluation.responses.judge import judge_responses, response_questions
from llmrec.evaluation.responses.report import ResponseReport

__all__ = [
    "EvaluationProtocol",
    "Report",
    "ResponseReport",
    "deletion_test",
    "evaluate",
    "faithfulness",
    "judge_reasons",
    "judge_responses",
    "response_questions",
]
