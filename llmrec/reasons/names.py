"""Short names: what people say for a title, without its brackets, its shop's capitals and its list of features."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmrec.prompting import one_line
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.wording import spoken

_MOST_WORDS, _MOST_LETTERS, _MOST_READ = 9, 48, 2000
_LONGER_WORDS = 12
# A name is not cut before so many letters, and fewer capitals are an abbreviation.
_SHORTEST, _TELLING = 6, 16
_ALL_CAPITALS = 0.85
BRACKETS = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])\s*$")
# In front of the name: "[2015 New Version] ...".
_TAG = re.compile(r"^(?:\[[^\[\]]*\]|【[^【】]*】)\s*")
_ARTICLE_LAST = re.compile(
    r"^(?P<rest>.+), (?P<article>The|A|An|Il|Lo|La|Le|Les|L'|El|Los|Las|Der|Die|Das|Un|Una|Une)$"
)
_BREAK = re.compile(
    r"\s+[-–—|]\s+|[,;:]\s+|(?<=[a-z]{3}[.!?])\s+|\s+(?=[(\[])|\s+(?=(?:with|for|featuring|including|compatible)\s)",
    re.I,
)
# A name never ends with these: what follows was cut.
_OPEN_END = re.compile(r"[\s,;:&/+–—-]+$|\s(?:and|or|of|the|a|an|in|on|to|by|with|for|from|&)$", re.I)
_SMALL = frozenset(["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"])
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_TITLE_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# At the end of a title all in capitals; "SMASH BROS." is an abbreviation.
_FULL_STOP = re.compile(r"(?<=[a-z]{4})\.$")
_VOWEL = re.compile("[aeiouy]", re.I)
# The last words of what stands in a bill beside what was bought.
_SERVICES = frozenset(
    (
        *("carriage", "charges", "commission", "discount", "fee", "fees", "postage", "shipping", "surcharge"),
        *("voucher", "邮费", "运费", "快递费", "包装费", "手续费", "服务费", "优惠券"),
    )
)
_SERVICES_ALONE = frozenset(
    (
        *("adjustment", "charge", "delivery", "deposit", "discounts", "manual", "packaging", "refund"),
        *("samples", "折扣", "押金"),
    )
)
_MOST_OF_A_SERVICE = 3
_LETTERS_STAY = frozenset(("LED", "USB", "UK", "USA", "UV", "EU", "DIY", "ID"))


def short_name(title: str) -> str:
    """Return what people say for a title: at most nine words; "Godfather, The (1972)" is The Godfather."""
    name = full_name(title)
    name = _TAG.sub("", name) or name
    while (bare := BRACKETS.sub("", name)) != name and len(bare) > 1:
        name = bare
    name = _with_article(name)
    if not _is_long(name):
        return name
    ends = [one.start() for one in _BREAK.finditer(name) if one.start() >= _SHORTEST]
    fitting = [end for end in ends if not _is_long(name[:end]) and len(name[:end].split()) > 2]
    # "Call of Duty" alone is a series, not what was chosen.
    end = next((end for end in fitting if end >= _TELLING), fitting[-1] if fitting else None)
    return _closed(_first_words(name) if end is None else name[:end]) or name


def longer_name(title: str) -> str:
    """Return a name of up to twelve words, where the short one would name two things."""
    name = full_name(title)
    return name if len(name.split()) <= _LONGER_WORDS else _closed(" ".join(name.split()[:_LONGER_WORDS])) or name


def name_forms(title: str) -> tuple[str, ...]:
    """Return the names that a title may have, the shortest first."""
    return short_name(title), longer_name(title), full_name(title)


def full_name(title: str) -> str:
    """Return a whole title as it is said: article in front, inner quotes single, no words all in capitals."""
    line = _softened(one_line(title[:_MOST_READ]).replace('"', "'").replace("“", "'").replace("”", "'"))
    line = line.replace("《", "〈").replace("》", "〉")
    return _with_article(spoken(line))


def names_of(evidence: Evidence) -> dict[str, str]:
    """Return the name of each item by its id: the short one, unless another title here has the same.

    Raises nothing; an item without any title is named by its id.
    """
    rivals = [evidence.rival] if evidence.rival else []
    titles = {one.item_id: one.title or one.item_id for one in (evidence.item, *evidence.cited, *rivals)}
    forms = {title: name_forms(title) for title in titles.values()}

    def is_clear(name: str, title: str) -> bool:
        return not any(name.lower() in map(str.lower, forms[other]) for other in forms if other != title)

    return {
        item: next((name for name in forms[title] if is_clear(name, title)), forms[title][-1])
        for item, title in titles.items()
    }


def is_service(title: str) -> bool:
    """Whether a title is that of a fee, a discount or another line of a bill that nobody chose.

    >>> is_service("DOTCOM POSTAGE"), is_service("Manual"), is_service("Repair Manual"), is_service("邮费")
    (True, True, False, True)
    """
    words = [word.lower() for word in _TITLE_WORD.findall(title)]
    known = _SERVICES | _SERVICES_ALONE if len(words) == 1 else _SERVICES
    return 0 < len(words) <= _MOST_OF_A_SERVICE and words[-1] in known


def are_choices(titles: Sequence[str]) -> list[bool]:
    """Return which titles of a history are of choices, not of postage and fees; all, where nothing else is."""
    bought = [not is_service(title) for title in titles]
    return bought if any(bought) else [True] * len(bought)


def title_words(title: str) -> list[str]:
    """Return the words and numbers of a title as written, without marks."""
    return _TITLE_WORD.findall(title)


def _with_article(name: str) -> str:
    turned = _ARTICLE_LAST.match(name)
    if turned is None:
        return name
    article = turned["article"]
    return f"{article}{'' if article.endswith(chr(39)) else ' '}{turned['rest']}"


def _is_long(name: str) -> bool:
    return len(name.split()) > _MOST_WORDS or len(name) > _MOST_LETTERS


def _closed(name: str) -> str:
    """Take off what is left open where a name was cut: "Stand for", "Case -"."""
    while (bare := _OPEN_END.sub("", name)) != name:
        name = bare
    return name


def _first_words(name: str) -> str:
    words = name.split()
    while len(words) > 1 and _is_long(" ".join(words)):
        words.pop()
    return " ".join(words)[: 2 * _MOST_LETTERS]


def _softened(title: str) -> str:
    """Write a title all in capitals with capitals at the beginnings of words only; others stay as they are."""
    words = _WORD.findall(title)
    letters = "".join(words)
    if len(letters) < _SHORTEST or sum(map(str.isupper, letters)) < _ALL_CAPITALS * len(letters):
        return title
    return _FULL_STOP.sub("", _WORD.sub(lambda word: _soft(word, title), title))


def _soft(match: re.Match[str], title: str) -> str:
    word = match.group()
    if title[: match.start()].endswith(("'", "’")) and title[: match.start() - 1][-1:].isdigit():
        return word.lower()  # of "50'S"
    if word in _LETTERS_STAY or (len(word) <= 4 and not _VOWEL.search(word)):
        return word
    return word.lower() if word.lower() in _SMALL and f" {word} " in title else word.capitalize()
