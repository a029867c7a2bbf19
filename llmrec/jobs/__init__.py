"""Answers for all users at once: recommendations, user vectors or reasons, written to Parquet in parts."""

from llmrec.jobs.answers import JobKind, Wording
from llmrec.jobs.job import BatchResult, Engine, batch
from llmrec.jobs.one_file import recommend_into

__all__ = ["BatchResult", "Engine", "JobKind", "Wording", "batch", "recommend_into"]
