"""The plain words a reason may use besides its evidence: words that claim nothing by themselves.

A word that is neither here nor in the evidence says something that nobody checked ("gripping", "award").
Negations and superlatives turn a true sentence into a false one: they stand only in whole phrases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llmrec.prompting import Language

# Private-use characters stand for the titles and facts that were read: no text has them.
TITLES, FACTS = "\ue100-\ue7ff", "\ue800-\uefff"


@dataclass(frozen=True)
class Lexicon:
    """One language's plain words and phrases, and the patterns that say which role a title has.

    ``guarded`` words are never read as a bare title or fact. ``harmless``, ``strongest`` and ``unmoved`` are
    phrases: one claims nothing, one that the titles left of it moved the score most, one that no item did.
    ``chosen_left`` and ``suggested_left`` are looked for left of a title, ``chosen_right`` and
    ``suggested_right`` right of it; ``swapped`` lets the wrong one choose. ``rather`` sets a rival back and
    ``people`` counts who chose both. ``alike`` compares, ``genre`` speaks of genres and ``pronoun`` leaves
    open which title is meant.
    ``shortest`` and ``longest`` are in words, or in characters for a language written without spaces.
    """

    words: frozenset[str]
    guarded: frozenset[str]
    harmless: re.Pattern[str]
    strongest: re.Pattern[str]
    unmoved: re.Pattern[str]
    chosen_left: re.Pattern[str]
    suggested_left: re.Pattern[str]
    chosen_right: re.Pattern[str]
    suggested_right: re.Pattern[str]
    swapped: re.Pattern[str]
    rather: re.Pattern[str]
    people: re.Pattern[str]
    alike: re.Pattern[str]
    genre: re.Pattern[str]
    pronoun: re.Pattern[str]
    shortest: int
    longest: int


_ENGLISH = """
a also an and another as at because both by choice choices choosing chose chosen earlier for from genre
genres has have here in is it its item items kind may might next of on one or our pick picked picks
recommend recommended same share shared shares since so suggest suggested suggestion suggests that the
their them these they this those to too try we which with you your
"""

_GUARDED = """
all any best but except few first last least less like more most must neither never no none nor not nothing
only single unlike want without worst
"""

_CHINESE = """
因为 由于 您 你 选择 选 过 了 的 它们 它 与 和 跟 以及 所以 因此 于是 我们 为您 为你 向您 向你 推荐 建议 试试
可能 也许 会 喜欢 这里 同样 同 也 都 是 属于 类型 题材 一样 相同 共同 之前 曾经 曾 这 这个 这部 这些 一个 其 有
在 而
"""

# A number, which may have been read as a fact.
_NUMBER = rf"(?:\d+|[{FACTS}])"

_BETWEEN = r"(?:(?:\s|,|and|both|the|of|for|you)*)"
# What is said of the title before it, up to the next clause.
_SAID = r"[\"”,\s]*(?:(?:which|that)\s+)?(?:is|are|you)\b(?:(?!\b(?:as|because|since|so)\b)[\w\s'-])*?"

LEXICONS: Mapping[Language, Lexicon] = {
    "en": Lexicon(
        words=frozenset(_ENGLISH.split()),
        guarded=frozenset(_GUARDED.split()),
        harmless=re.compile(r"\b(?:may|might|could|will) (?:also )?like\b"),
        strongest=re.compile(r",? which weighs? most here\b"),
        unmoved=re.compile(
            r"\bis a general suggestion, as no single item in your history raised its score(?=\.)"
            r"|\b[Nn]o single item in your history speaks for\b"
        ),
        chosen_left=re.compile(rf"\b(?:chose|choosing|choices?(?: of)?|picked|picks?(?: of)?){_BETWEEN}$"),
        suggested_left=re.compile(
            rf"\b(?:suggest|recommend|try|(?:may|might|could|will) (?:also )?like){_BETWEEN}$"
        ),
        chosen_right=re.compile(_SAID + r"\b(?:chosen?|choices?|picked|picks?)\b"),
        suggested_right=re.compile(_SAID + r"\b(?:suggest|recommend)"),
        swapped=re.compile(
            r"\bwe (?:\w+ )?(?:chosen?|picked|picks?)\b|\byou (?:\w+ )?(?:suggest|recommend)", re.IGNORECASE
        ),
        # After a comma it would not be clear of which of the two something is said.
        rather=re.compile(rf" (?:rather than|instead of) (?P<rival>[{TITLES}])(?=[.!?]|,? (?:as|because|since) )"),
        people=re.compile(
            rf"\b[Oo]f the (?P<chose>{_NUMBER}) people who chose (?P<cited>[{TITLES}]), "
            rf"(?P<both>{_NUMBER}) also chose (?P<item>[{TITLES}])(?=\.)"
        ),
        alike=re.compile(r"\b(?:all|also|another|both|common|like|same|shared?|shares|similar|too)\b"),
        genre=re.compile(r"\b(?:genres?|kind)\b"),
        pronoun=re.compile(r"\b(?:its?|they|their|them|this|that|these|those|one|another)\b"),
        shortest=5,
        longest=60,
    ),
    "zh": Lexicon(
        words=frozenset(_CHINESE.split()),
        guarded=frozenset(("不", "没", "没有", "无", "非", "最", "最大", "只", "仅", "唯一")),
        harmless=re.compile("您?可能会?喜欢"),
        strongest=re.compile("，?对此影响最大"),
        unmoved=re.compile(
            "是一项通用推荐，您的历史记录中没有哪一项提高它的得分(?=。)|您的历史记录中没有哪一项支持推荐"
        ),
        chosen_left=re.compile(r"选择?(?:过|了)*(?:的)?[、，和与以及\s]*$"),
        suggested_left=re.compile(r"(?:推荐|建议|试试|喜欢)[、，和与以及\s]*$"),
        chosen_right=re.compile(r"》?(?:也|都|曾|曾经|之前)*(?:是|您|你)[\u4e00-\u9fff]*选"),
        suggested_right=re.compile(r"》?(?:也|都)*是[\u4e00-\u9fff]*(?:推荐|建议)"),
        swapped=re.compile("我们(?:曾|曾经|之前)*选|[您你](?:曾|曾经|之前)*(?:推荐|建议)(?=[^，。]*过)"),
        rather=re.compile(rf"而不是(?P<rival>[{TITLES}])"),
        people=re.compile(
            rf"选择过(?P<cited>[{TITLES}])的(?P<chose>{_NUMBER})人中，"
            rf"有(?P<both>{_NUMBER})人也选择了(?P<item>[{TITLES}])(?=。)"
        ),
        alike=re.compile(r"同|也|都|一样|相似|类似"),
        genre=re.compile("类型|题材"),
        pronoun=re.compile("它|其|这"),
        shortest=8,
        longest=200,
    ),
}
