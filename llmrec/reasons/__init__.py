"""Reasons bound to evidence: find what moved a recommendation, word it, audit the words."""

from llmrec.reasons.audit import audit
from llmrec.reasons.endpoint import EndpointNarrator
from llmrec.reasons.evidence import Cited, Evidence, Item, Pair, Shared, Together
from llmrec.reasons.explanations import Explanation, Explanations, counts
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import add_facts
from llmrec.reasons.narrate import LocalNarrator, Narrator, TemplateNarrator
from llmrec.reasons.occlusion import occlusion
from llmrec.reasons.pipeline import base_narrator, explain
from llmrec.reasons.request import NarrationRequest
from llmrec.reasons.style import StyleWriter, fit_style

__all__ = [
    "Cited",
    "EndpointNarrator",
    "Evidence",
    "Explanation",
    "Explanations",
    "Fact",
    "Item",
    "LocalNarrator",
    "NarrationRequest",
    "Narrator",
    "Pair",
    "Shared",
    "StyleWriter",
    "TemplateNarrator",
    "Together",
    "add_facts",
    "audit",
    "base_narrator",
    "counts",
    "explain",
    "fit_style",
    "occlusion",
]
