"""Cut a data set into train, validation and test: strategies by name, leak guards."""

from llmrec.data.splits import strategies  # registers them
from llmrec.data.splits.fold import Fold
from llmrec.data.splits.named import NAMED_SPLITS, SplitStrategy, split_strategy, strategy_of
from llmrec.data.splits.parts import CONTEXT_ONLY, TEST, TRAIN, VALID
from llmrec.data.splits.split import Split

__all__ = [
    "CONTEXT_ONLY",
    "NAMED_SPLITS",
    "TEST",
    "TRAIN",
    "VALID",
    "Fold",
    "Split",
    "SplitStrategy",
    "split_strategy",
    "strategies",
    "strategy_of",
]
