"""The wording of the event prompt: what is known of an event, in a few words, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from llmrec.prompting import Language, Prompt

HOUR, DAY = 3600, 86400
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", ""),
    ({"behavior": "pv", "new_session": True}, "[pv]", "[pv]"),
    ({"gap": 30, "behavior": "{{ x }}"}, "[at once, {{ x }}]", "[紧接着，{{ x }}]"),
    ({"gap": 600, "new_session": False}, "[after 10 minutes]", "[10分钟后]"),
    ({"gap": 3 * HOUR, "new_session": True}, "[new visit, after 3 hours]", "[新访问，3小时后]"),
    ({"gap": 4 * DAY, "rating": 4.0}, "[after 4 days, rated 4]", "[4天后，评分4]"),
    ({"behavior": "buy", "rating": 4.5, "price": 2.5}, "[buy, rated 4.5, price 2.5]", "[buy，评分4.5，价格2.5]"),
    ({"behavior": "buy", "quantity": 3.0}, "[buy, 3 pieces]", "[buy，3件]"),
    ({"behavior": "buy", "quantity": 1.0}, "[buy]", "[buy]"),
]


@pytest.mark.parametrize(("event", "english", "chinese"), CASES)
def test_what_is_known_of_an_event_is_said(event: dict[str, Any], english: str, chinese: str) -> None:
    expected: dict[Language, str] = {"en": english, "zh": chinese}
    for language, text in expected.items():
        assert Prompt.load("event", language).render("user", event=event) == text
