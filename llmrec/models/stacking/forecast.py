"""Say before the first member of a stack is fitted about how long all of them take together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from llmrec.bars import bar_console
from llmrec.config import Recipe
from llmrec.data import Dataset, Fold
from llmrec.errors import DataError, EncodingTooLong, MissingExtra
from llmrec.models.base import Recommender
from llmrec.models.continuation import Continuation, Continues
from llmrec.models.registry import SHIPPED, from_recipe
from llmrec.models.stacking.members import is_begun, require_texts, without_texts
from llmrec.printable import printable


class NetworkForecast(NamedTuple):
    """A network's likely minutes of training, 0 for one of seconds, its bound, and lines of what to change."""

    name: str
    minutes: float
    most: float | None
    advice: tuple[str, ...] = ()

    def __str__(self) -> str:
        from llmrec.training.forecast import minutes_in_words

        if not self.minutes:
            return f"{self.name} seconds"
        bound = "" if self.most is None else f" ({self.most:g} min at most)"
        return f"{self.name} {minutes_in_words(self.minutes)}{bound}"


def announce(
    name: str,
    recipes: Sequence[Recipe],
    data: Dataset,
    *,
    valid: Fold | None,
    work_dir: Path | None,
    continuations: Sequence[Continuation | None] = (),
) -> None:
    """Print the sum and the parts of what training the networks takes, unless that is seconds or has begun."""
    if is_begun(work_dir):
        return
    parts = forecasts(recipes, data, valid=valid, continuations=continuations)
    if not any(part.minutes for part in parts):
        return
    from llmrec.training.forecast import minutes_in_words

    total, listed = sum(part.minutes for part in parts), ", ".join(map(str, parts))
    advice = [f"{part.name}: {line}" for part in parts for line in part.advice]
    first = (
        f"about {minutes_in_words(total)} in all: {listed}; rules, validation and weighing come on top, and a "
        "training that ends where nothing improves takes what it takes"
    )
    for line in [first, *advice]:
        bar_console().print(printable(f"{name}: {line}"), highlight=False, markup=False, soft_wrap=True)


def forecasts(
    recipes: Sequence[Recipe],
    data: Dataset,
    *,
    valid: Fold | None,
    continuations: Sequence[Continuation | None] = (),
) -> list[NetworkForecast]:
    """Set every network up with a sample of its catalog encoded, and forecast its training; none is trained.

    What the data cannot feed, what wants an extra and whose texts take too long is left out, or what takes its
    place is forecast: fitting says so.
    """
    parts, waiting = list[NetworkForecast](), list(enumerate(recipes))
    while waiting:
        n, recipe = waiting.pop(0)
        run = continuations[n] if continuations else None
        try:
            model = from_recipe(recipe)
            if recipe.model not in SHIPPED or not _trains_in_steps(model):
                continue
            if run is None:
                require_texts(model, data)
            elif isinstance(model, Continues):
                model.continuation = run
            parts.extend(_forecast(model, data, valid))
        except (DataError, MissingExtra, EncodingTooLong):
            if run is None and (instead := without_texts(recipe)) is not None:
                waiting.insert(0, (n, instead))
    return parts


def _trains_in_steps(model: Recommender) -> bool:
    return any(field.partition(".")[0] == "train" for field in model.sections)


def _forecast(model: Recommender, data: Dataset, valid: Fold | None) -> Iterator[NetworkForecast]:
    """Yield what a network's training takes; nothing for one that trains in another way than all do."""
    from llmrec.training.encoding_bar import encodings_sampled
    from llmrec.training.forecast import ForecastOver, forecast_only, likely_minutes, worded

    model.probe = forecast_only
    with encodings_sampled() as encoding_seconds:
        try:
            model.fit(data, valid=valid)
        except ForecastOver as over:
            name, one, most = model.recipe.name, over.forecast, over.settings.max_minutes
            if one is None:
                yield NetworkForecast(name, 0.0, most)
                return
            minutes = min(likely_minutes(one, over.settings), most or float("inf"))
            advice = list(worded(one, over.settings))[1:]
            yield NetworkForecast(name, minutes + sum(encoding_seconds) / 60, most, tuple(advice))
