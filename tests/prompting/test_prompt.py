"""Prompts: what a file may hold, what rendering refuses, and what the shipped wording looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from llmrec.errors import PromptError
from llmrec.prompting import Prompt, names
from llmrec.resources.shipped import folder

SHIPPED = [
    "event",
    "explain",
    "explain-chat",
    "explain-chat-retry",
    "explain-contrast",
    "explain-paragraph",
    "explain-profile",
    "explain-retry",
    "explain-shared",
    "history",
    "item",
    "product",
    "rank",
    "rank-letter",
    "rank-title",
    "reason",
    "title",
]
REASON = {
    "item": '"Ring"',
    "chosen": '"Fellowship" and "Towers"',
    "count": 2,
    "shared": "Fantasy",
    "rival": "",
    "people": "",
    "tone": "warm",
}
RANK = {
    "history": ["Fellowship", "Towers"],
    "candidates": [{"letter": "A", "title": "Hobbit"}, {"letter": "B", "title": "King"}],
}
VALUES: dict[str, dict[str, Any]] = {
    "item": {"item": {"item_id": "1", "title": "Ring", "year": 1954, "genres": "Fantasy, War"}},
    "title": {"item": {"title": "Ring", "year": 1954, "genres": "Fantasy, War"}},
    "product": {"item": {"title": "Ring", "brand": "Dwarf", "price": 9.5, "description": "Round. " * 60}},
    "history": {},
    "event": {"event": {"gap": 7300, "behavior": "buy", "rating": 4.5, "price": 2.5, "new_session": True}},
    "reason": REASON,
    "explain": REASON | {"shared": ""},
    "explain-shared": REASON,
    "rank": RANK | {"order": ["B", "A"]},
    "rank-letter": RANK | {"letter": "B"},
    "rank-title": {"history": [], "title": "Ring"},
    "explain-contrast": REASON | {"rival": '"Dune"'},
    "explain-paragraph": REASON | {"people": {"item": '"Towers"', "chose": 30, "both": 20}},
    "explain-chat": {
        "item": '"Ring"',
        "chosen": '"Towers"',
        "rival": "",
        "tone": "warm",
        "form": "sentence",
        "least": 5,
        "most": 35,
        "whole": ["W"],
        "beginnings": ["B", "C"],
        "frames": ["SUGGESTION (since | as) CHOSEN"],
        "parts": {"SUGGESTION": ["we suggest ITEM"]},
        "labels": {"item": "ITEM", "title": "CHOSEN", "rival": "OTHER"},
        "facts": [["both are old", "the two are old"]],
        "joints": [";", "–"],
    },
    "explain-chat-retry": {"faults": ["it says 'gripping'"], "refused": "R", "nearest": "N"},
    "explain-retry": {"faults": ["it says 'gripping'", "it names 'Dune'"]},
    "explain-profile": {
        "profile": "likes rings",
        "title": "Ring",
        "item": "a ring",
        "explanation": "It is a ring.",
    },
}
GOOD = {"name": "n", "description": "d", "language": "en", "variables": ["a"], "user": "{{ a }}"}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_prompt_is_shipped_in_both_languages(language: str) -> None:
    assert names(language) == SHIPPED  # type: ignore[arg-type]
    for name in SHIPPED:
        prompt = Prompt.load(name, language)  # type: ignore[arg-type]
        assert (prompt.name, prompt.language) == (name, language)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", SHIPPED)
def test_rendered_wording(name: str, language: str, snapshot: SnapshotAssertion) -> None:
    prompt = Prompt.load(name, language)  # type: ignore[arg-type]
    parts = {
        part: prompt.render(part, **VALUES[name])
        for part in ("system", "user", "answer")
        if getattr(prompt, part) is not None
    }
    assert parts == snapshot


def test_no_prompt_file_holds_chat_markup() -> None:
    files = sorted(folder("prompts").glob("*.yaml"))
    assert len(files) == 2 * len(SHIPPED)
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not any(mark in text for mark in ("<|", "|>", "[INST]", "<s>", "</s>")), file


def test_readme_lists_every_prompt() -> None:
    readme = (folder("prompts") / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in readme for name in SHIPPED)


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ({"title": "Ring"}, "Ring"),
        ({"title": "Ring", "year": 1954}, "Ring (1954)"),
        ({"title": "Ring (1954)", "year": "1954"}, "Ring (1954)"),
        ({"title": "Ring", "genres": ["Fantasy", "War"]}, "Ring | Fantasy, War"),
        ({"title": "Ring", "genres": "Fantasy", "brand": "Acme"}, "Ring | Acme | Fantasy"),
        ({"title": "Acme Ring", "brand": "Acme"}, "Acme Ring"),
        ({"title": "Dune", "authors": ["Herbert"], "publisher": "Ace", "category": "SF"}, "Dune | Herbert | SF"),
        (
            {"title": "B00X", "category_code": "electronics.phone", "manufacturer": 7},
            "B00X | 7 | electronics.phone",
        ),
    ],
)
def test_item_copes_with_absent_columns(item: dict[str, object], line: str) -> None:
    assert Prompt.load("item").render("user", item=item) == line


@pytest.mark.parametrize("title", ["{{ 7*7 }}", "{% for x in y %}", "<|im_start|>system", "<b>&amp;", '"“”'])
def test_values_are_never_templates(title: str) -> None:
    assert Prompt.load("item").render("user", item={"title": title}) == title


def test_messages_show_examples_before_the_question() -> None:
    prompt = Prompt.of(GOOD | {"system": "S", "answer": "<{{ a }}>", "examples": [{"a": "1"}, {"a": "2"}]})
    turns = [(turn["role"], turn["content"]) for turn in prompt.messages(a="3")]
    assert turns == [
        ("system", "S"),
        ("user", "1"),
        ("assistant", "<1>"),
        ("user", "2"),
        ("assistant", "<2>"),
        ("user", "3"),
    ]


def test_to_yaml_repeats_the_wording(tmp_path: Path) -> None:
    prompt = Prompt.load("explain-shared", "zh")
    copy = Prompt.load(write(tmp_path / "copy.yaml", prompt.to_yaml()))
    assert copy == prompt


def test_prompts_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Prompt.of(GOOD).user = "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"usr": "x"}, "usr: no such field"),
        ({"name": None}, "name: "),
        ({"language": "fr"}, "language: "),
        ({"user": "{{ a"}, "user: bad template"),
        ({"user": "{{ a }} {{ b }}"}, "user: 'b' is used but not in variables"),
        ({"user": None}, "no part to render"),
        ({"examples": [{"a": "1"}]}, "examples: need both"),
        ({"answer": "x", "examples": [{"b": "1"}]}, "examples.0: .*no variable 'b'"),
    ],
)
def test_bad_fields_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        Prompt.of(GOOD | change)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is not YAML"), ("- a\n", "holds no mapping"), ("", "holds no mapping")],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PromptError, match=rf"bad\.yaml.*{message}"):
        Prompt.load(write(tmp_path / "bad.yaml", text))


def test_unknown_prompts_are_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no prompt 'itm' in language 'en'; there are event, explain, "):
        Prompt.load("itm")
    with pytest.raises(PromptError, match="no prompt file"):
        Prompt.load(tmp_path / "none.yaml")
    with pytest.raises(PromptError, match=r"no prompt '\.\./prompts/item'"):
        Prompt.load("../prompts/item")


def test_values_must_be_the_declared_ones() -> None:
    prompt = Prompt.of(GOOD)
    with pytest.raises(PromptError, match="'a' is undefined"):
        prompt.render("user")
    with pytest.raises(PromptError, match="declares no variable 'b'; it has: a"):
        prompt.render("user", a="1", b="2")
    with pytest.raises(PromptError, match="no part 'answer'; it has user"):
        prompt.render("answer", a="1")


@pytest.mark.parametrize("attack", ["{{ a.__class__.__mro__ }}", "{{ a.append(1) }}", "{{ a[0] / 0 }}"])
def test_templates_run_in_a_sandbox(attack: str) -> None:
    with pytest.raises(PromptError, match="part 'user'"):
        Prompt.of(GOOD | {"user": attack}).render("user", a=[1])
