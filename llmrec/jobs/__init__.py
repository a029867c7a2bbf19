"""Answers for all users at once: recommendations, user vectors or reasons, written to Parquet in parts."""

from llmrec.jobs.answers import JobKind, Wording
from llmrec.jobs.job import BatchResult, Engine, batch

__all__ = ["BatchResult", "Engine", "JobKind", "Wording", "batch"]
