"""The plain words a reason may use besides its evidence: words that claim nothing by themselves.

A word that is neither here nor in the evidence says something that nobody checked ("gripping", "award").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llmrec.prompting import Language


@dataclass(frozen=True)
class Lexicon:
    """One language's plain words, and the words before a title that say which role the title has.

    ``shortest`` and ``longest`` are in words, or in characters for a language written without spaces.
    """

    words: frozenset[str]
    chosen: re.Pattern[str]
    suggested: re.Pattern[str]
    alike: re.Pattern[str]
    shortest: int
    longest: int


_ENGLISH = """
a all along also among an and another any as at because both by choice choices choose choosing chose
chosen come comes common could earlier enjoy fit fits for from general genre genres goes has have here
history if in is it its item items kind like list may might more most near next no nothing of on one or
our pick picked picks raised recommend recommended same score share shared shares shown similar since
single so suggest suggested suggestion suggests suits that the their them then these they this those to
too try want we weigh weighed weighs well which why will with you your yours
"""

_CHINESE = """
因为 由于 您 你 选择 选 过 了 的 它们 它 与 和 跟 以及 所以 因此 于是 我们 为您 为你 向您 向你 推荐 建议 试试
可能 也许 会 喜欢 影响 最大 最 大 对 此 这里 同样 同 也 都 是 属于 类型 题材 一样 相同 相似 类似 共同 之前
曾经 曾 这 这个 这部 这些 一个 一项 通用 没有 哪 单 历史 记录 中 里 提高 分数 得分 其 有 在 而
"""

_BETWEEN = r"(?:(?:\s|,|and|both|the|of|for|you)*)"

LEXICONS: Mapping[Language, Lexicon] = {
    "en": Lexicon(
        words=frozenset(_ENGLISH.split()),
        chosen=re.compile(rf"\b(?:chose|choosing|choices?(?: of)?|picked|picks?(?: of)?|enjoy){_BETWEEN}$"),
        suggested=re.compile(rf"\b(?:suggest|recommend|try|may like|might like|could like|will like){_BETWEEN}$"),
        alike=re.compile(r"\b(?:all|also|another|both|common|like|same|shared?|shares|similar|too)\b"),
        shortest=5,
        longest=60,
    ),
    "zh": Lexicon(
        words=frozenset(_CHINESE.split()),
        chosen=re.compile(r"选择?(?:过|了)*(?:的)?[、，和与以及\s]*$"),
        suggested=re.compile(r"(?:推荐|建议|试试|喜欢)[、，和与以及\s]*$"),
        alike=re.compile(r"同|也|都|一样|相似|类似"),
        shortest=8,
        longest=200,
    ),
}
