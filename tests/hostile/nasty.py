"""Values that do not belong where they are put, and places in nested values to put them."""

from __future__ import annotations

import copy
import random
from typing import Any

SECRET = "hostile-secret-0123456789"
SECRET_VARIABLE = "LLMREC_HOSTILE_SECRET"
CANARY_VARIABLE = "LLMREC_HOSTILE_CANARY"  # the path of a file that no run may make

# What templates try: to run code, to read what is not theirs, to take for ever, to become large.
TEMPLATES = (
    "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
    "{% for a in 'x' * 100000 %}{% for b in 'x' * 100000 %}{% endfor %}{% endfor %}",
    "{% for a in item.title %}" * 12 + "x" + "{% endfor %}" * 12,
    "{{ 'x' * 10000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'x'.center(9999999999) }}",
    "{{ 'x' | center(9999999999) }}",
    "{{ lipsum(n=1000000) }}",
    "{% set s = item.title %}" + "{% set s = s ~ s %}" * 60 + "{{ s }}",
    "{% set s = [1] %}" + "{% set s = s + s %}" * 60 + "{{ s }}",
    "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{% for x in [1, 2] recursive %}{{ loop([1, 2]) }}{{ loop([1, 2]) }}{% endfor %}",
    "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "{{ cycler.__init__.__globals__.os.environ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ item.title.__class__.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.system('touch $" + CANARY_VARIABLE + "') }}",
    "{{ ('{0.__class__.__init__.__globals__}').format(item) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{{ item | attr('__class__') }}",
    "{{ item | map('center', 999999999) | join }}",
    "{{ 1 | round(999999999, 'ceil') }}",
    "(" * 5000,
    "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
    "{% if 1 %}" * 200 + "{% endif %}" * 200,
    "{{ undefined_name }}",
    "{{ item.no_such_field }}",
    "{{",
    "",
)
STRINGS = (
    "",
    "x" * 100_000,
    "../../../../etc/passwd",
    "/dev/zero",
    "\x1b[2J\x9b1m\u202e",
    "${oc.env:" + SECRET_VARIABLE + "}",
    "${oc.env:HOME}",
    "(a+)+$",
    "(.*.*.*.*.*.*.*.*)*x",
    "hub/no-such-model",
    "nan",
    "\ud800",
    "all-linear",
    "popularity",
    *TEMPLATES[:2],
)
NUMBERS = (0, -1, 1, 2, 2**31, 2**63, 10**30, -(10**30), 1e308, -1e308, 1e-308, float("nan"), float("inf"), 0.5)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    *STRINGS,
    *NUMBERS,
    [],
    {},
    [[]],
    [None],
    {"a": {"b": 1}},
    [0] * 1000,
)


def paths_of(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything that a nested value holds."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, part in parts for path in ((*at, key), *paths_of(part, (*at, key)))]


def spoiled(value: Any, draw: random.Random) -> Any:
    """Return a nested value with one part replaced, removed, repeated or under another name."""
    value = copy.deepcopy(value)
    paths = paths_of(value)
    if not paths:
        return draw.choice(VALUES)
    *way, last = draw.choice(paths)
    holder = value
    for key in way:
        holder = holder[key]
    what = draw.choice(("replace", "replace", "replace", "remove", "rename", "similar"))
    if what == "remove":
        del holder[last]
    elif what == "rename" and isinstance(holder, dict):
        holder[draw.choice(STRINGS[:12])] = holder.pop(last)
    elif what == "similar":
        holder[last] = _similar(holder[last], draw)
    else:
        holder[last] = draw.choice(VALUES)
    return value


def _similar(value: Any, draw: random.Random) -> Any:
    """Return a value of the same type that is another, or far too large."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice((value + 1, -value, value * 1000, value * 10**9))
    if isinstance(value, float):
        return draw.choice((-value, value * 1e30, float("nan")))
    if isinstance(value, str):
        return draw.choice((value + "x", value[::-1], *STRINGS))
    if isinstance(value, list):
        return draw.choice((value[::-1], value * 2, value[:-1], value * 100_000))
    return {} if isinstance(value, dict) else draw.choice(VALUES)
