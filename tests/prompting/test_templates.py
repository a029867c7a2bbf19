"""Templates: what prompts need works; what runs code, takes for ever or becomes large is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hostile.nasty import TEMPLATES

from llmrec.errors import PromptError
from llmrec.prompting import Prompt

ITEM = {"title": "Amber Gate", "year": 1954, "genres": ["War", "Drama"], "price": 2.5}


def rendered(text: str, **values: object) -> str:
    variables = sorted(values) or ["item"]
    made = {"name": "n", "description": "d", "language": "en", "variables": variables, "user": text}
    return Prompt.of(made).render("user", **(values or {"item": ITEM}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ item.title }}", "Amber Gate"),
        ("{{ item.title | upper }} {{ item['title'].lower() }}", "AMBER GATE amber gate"),
        (
            "{% for g in item.genres %}{{ loop.index }}{{ g }}{% if not loop.last %},{% endif %}{% endfor %}",
            "1War,2Drama",
        ),
        ("{% for g in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for k, v in item.items() if k == 'year' %}{{ k }}={{ v }}{% endfor %}", "year=1954"),
        ("{{ item.title ~ ' (' ~ item.year ~ ')' }}", "Amber Gate (1954)"),
        ("{{ '%s costs %.2f' % (item.title, item.price) }}", "Amber Gate costs 2.50"),
        ("{{ item.genres | join(' & ') }} {{ item.year + 1 }} {{ item.price * 2 }}", "War & Drama 1955 5.0"),
        ("{{ item.get('director', 'nobody') }} {{ item.genres is string }}", "nobody False"),
        ("{{ item.title | replace('Gate', 'Door') }} {{ item.price | round }}", "Amber Door 2.0"),
        ("{% set n = item.genres | length %}{{ n // 2 }} {{ 'a' + 'b' }} {{ [1] + [2] }}", "1 ab [1, 2]"),
        ("{% for a in item.genres %}{% for b in item.genres %}.{% endfor %}{% endfor %}", "...."),
    ],
)
def test_what_prompts_need(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize("text", [text for text in TEMPLATES if text])
def test_hostile_templates_are_refused_at_once(text: str) -> None:
    variables = ["item", "range", "cycler", "lipsum", "namespace", "dict"]
    made = {"name": "n", "description": "d", "language": "en", "variables": variables, "user": text}
    item = ITEM | {"title": "x" * 50}
    began = time.process_time()
    if text.startswith("((("):
        assert Prompt.of(made).render("user", item=item) == text  # no template at all
        return
    with pytest.raises(PromptError) as told:
        Prompt.of(made).render("user", item=item)
    assert time.process_time() - began < 2
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}", {"x": "y" * 101}, "more than 10,000 turns"),
        ("{% set t = x ~ x %}{{ t }}", {"x": "y" * 600_000}, "more than 1,000,000 characters"),
        ("{{ x }}{{ x }}", {"x": "y" * 600_000}, "more than 1,000,000 characters"),
        ("{{ x | replace('y', 'yyyy') }}", {"x": "y" * 300_000}, "more than 1,000,000 characters"),
        ("{{ x + x }}", {"x": "y" * 600_000}, "more than 1,000,000"),
        ("{{ x * x }}", {"x": 10**16}, "multiplies"),
        ("{{ x ** 2 }}", {"x": 2}, "power"),
        ("{{ '%*d' % (x, 1) }}", {"x": 10**9}, "width of thousands"),
    ],
)
def test_bounds(text: str, values: dict[str, Any], reason: str) -> None:
    with pytest.raises(PromptError, match=reason):
        rendered(text, **values)


def test_each_rendering_has_its_own_turns() -> None:
    made = {
        "name": "n",
        "description": "d",
        "language": "en",
        "variables": ["x"],
        "user": "{% for a in x %}{% endfor %}",
    }
    prompt = Prompt.of(made)
    for _ in range(3):
        assert not prompt.render("user", x=range(9_000))


@pytest.mark.parametrize("name", ["_each", "", "a b", "1a"])
def test_a_variable_has_the_form_of_a_name(name: str) -> None:
    with pytest.raises(PromptError, match="variables"):
        Prompt.of({"name": "n", "description": "d", "language": "en", "variables": [name], "user": "x"})
