"""The judge: the same questions to every model, per-user metrics, intervals, paired tests and cost."""

from llmrec.evaluation.judge import evaluate
from llmrec.evaluation.protocol import Protocol
from llmrec.evaluation.report import Report

__all__ = ["Protocol", "Report", "evaluate"]
