"""What a split strategy declares, and the strategies by name: ``--split``, protocols and leak guards read them."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from llmrec.arrays import Int8s
from llmrec.errors import DataError

Assign = Callable[..., Int8s | list[Int8s]]
AssignFunction = TypeVar("AssignFunction", bound=Assign)
_WINDOW = re.compile(r"(.+)-(\d+)-of-(\d+)")


@dataclass(frozen=True)
class SplitOption:
    """An option of a strategy: its type on the command line, its default and its help."""

    name: str
    type: type
    default: object
    help: str


@dataclass(frozen=True)
class SplitStrategy:
    """A way to hold events out, by name.

    ``assign``: from a ``Dataset`` to each event's part, int8 [n_events] (see ``parts``); its keyword-only
    parameters are its options. With ``several`` it returns a list of these, one for each of its ``windows``.
    ``held_out`` says what is test and what is validation by default. ``disjoint``: the column whose values in test
    are never trained on. ``time_order``: no training event is later than the answers of its user (``per_user``),
    or of all users (``global``).

    >>> NAMED_SPLITS["user-disjoint"].disjoint
    'user_id'
    """

    name: str
    assign: Assign
    held_out: str
    several: bool = False
    disjoint: str | None = None
    time_order: Literal["per_user", "global", "none"] = "per_user"

    @property
    def options(self) -> dict[str, SplitOption]:
        """The options by name, read from the signature: ``k: Annotated[int, "how many events"] = 5``."""
        hints = get_type_hints(self.assign, include_extras=True)
        parameters = inspect.signature(self.assign).parameters.values()
        return {
            parameter.name: _option(parameter, hints[parameter.name])
            for parameter in parameters
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    def check_options(self, given: dict[str, Any]) -> None:
        """Raise DataError for an option that this strategy does not take."""
        unknown = next((name for name in given if name not in self.options), None)
        if unknown is not None:
            known = ", ".join(self.options) or "none"
            raise DataError(f"the split strategy {self.name} has no option '{unknown}'; its options: {known}")


NAMED_SPLITS: dict[str, SplitStrategy] = {}
# The split that holds nothing out: what a model in production is trained on.
NONE = "none"


def split_strategy(
    name: str,
    *,
    held_out: str,
    several: bool = False,
    disjoint: str | None = None,
    time_order: Literal["per_user", "global", "none"] = "per_user",
) -> Callable[[AssignFunction], AssignFunction]:
    """Register the decorated function as a split strategy; see ``SplitStrategy`` for what it declares.

    From then on ``Split.by_name``, ``--split``, protocols and leak guards know it. Raises DataError for a name
    that another function has.

    >>> @split_strategy("odd-users", held_out="every second user", disjoint="user_id")
    ... def odd_users(data):
    ...     return np.where(data.events["user_id"].cast(pl.Int64) % 2 == 1, TEST, TRAIN).astype(np.int8)
    >>> strategy_of("odd-users")
    'odd-users'
    """

    def register(assign: AssignFunction) -> AssignFunction:
        present = NAMED_SPLITS.get(name)
        if present is not None and present.assign is not assign:
            raise DataError(f"the split strategy '{name}' is there already; choose another name")
        NAMED_SPLITS[name] = SplitStrategy(name, assign, held_out, several, disjoint, time_order)
        return assign

    return register


def strategy_of(split: str) -> str:
    """Return the name of a split's strategy: ``rolling-1-of-3`` is ``rolling``.

    >>> strategy_of("rolling-1-of-3")
    'rolling'
    """
    name, _, _ = window_of(split) or (split, 0, 0)
    return name


def window_of(split: str) -> tuple[str, int, int] | None:
    """Return of ``rolling-1-of-3`` its strategy, the window and how many there are; None for other names."""
    window = _WINDOW.fullmatch(split)
    if window is None:
        return None
    name, number, windows = window[1], int(window[2]), int(window[3])
    strategy = NAMED_SPLITS.get(name)
    return (name, number, windows) if strategy is not None and strategy.several else None


def names_of_splits() -> list[str]:
    """Return what ``--split`` takes; of strategies with several splits the first of three."""
    return [f"{name}-1-of-3" if strategy.several else name for name, strategy in NAMED_SPLITS.items()]


def held_out_by_name() -> str:
    """Say for each strategy what it holds out for test and for validation."""
    shown = {
        f"{name}-1-of-3 to {name}-3-of-3" if strategy.several else name: strategy.held_out
        for name, strategy in NAMED_SPLITS.items()
    }
    return ", ".join(f"{name} ({held_out})" for name, held_out in shown.items())


def _option(parameter: inspect.Parameter, hint: Any) -> SplitOption:
    annotated = get_origin(hint) is Annotated
    kind, text = (get_args(hint)[0], get_args(hint)[1]) if annotated else (hint, "")
    kinds = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    # Of a value that may be text or a number, the command line gives the text.
    plain = str if str in kinds else next(kind for kind in kinds if kind is not type(None))
    return SplitOption(parameter.name, plain, parameter.default, str(text))
