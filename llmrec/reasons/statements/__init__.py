"""What a reason says, read as claims: phrases as data, the reading of them, and the check of each claim."""

from llmrec.reasons.statements import (
    checks_attributes,
    checks_counts,
    checks_numbers,
    checks_people,
    checks_roles,
    checks_weights,
)

__all__ = [
    "checks_attributes",
    "checks_counts",
    "checks_numbers",
    "checks_people",
    "checks_roles",
    "checks_weights",
]
