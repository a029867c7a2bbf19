"""Reasons bound to evidence: find what moved a recommendation, word it, audit the words."""

from llmrec.reasons.audit import audit
from llmrec.reasons.evidence import Cited, Evidence, Item, occlusion
from llmrec.reasons.explaining import counts, explain
from llmrec.reasons.narrate import LocalNarrator, Narrator, TemplateNarrator

__all__ = [
    "Cited",
    "Evidence",
    "Item",
    "LocalNarrator",
    "Narrator",
    "TemplateNarrator",
    "audit",
    "counts",
    "explain",
    "occlusion",
]
