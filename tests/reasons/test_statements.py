"""How often the audit lets a false statement pass and refuses a true one, on sentences labelled by hand."""

from __future__ import annotations

from support.statements import Statement, statements

from llmrec.reasons import audit

# The audit may be fitted to these; the other half is only for measuring.
DEVELOPMENT = statements(held_out=False)


def passes(one: Statement) -> bool:
    return audit(one.text, one.evidence, language=one.language, form=one.form) == []


def test_the_set_is_large_and_mixed() -> None:
    every = [*DEVELOPMENT, *statements(held_out=True)]
    assert len({one.text for one in every}) == len(every) >= 300
    assert sum(one.is_true for one in every) >= 130
    assert sum(one.language == "zh" for one in every) >= 60
    assert 0.4 < len(DEVELOPMENT) / len(every) < 0.6


def test_false_statements_that_pass_and_true_ones_that_do_not() -> None:
    false, true = ([one for one in DEVELOPMENT if one.is_true == label] for label in (False, True))
    assert sum(map(passes, false)) == 0
    assert sum(not passes(one) for one in true) <= 2
