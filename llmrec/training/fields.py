"""Which fields of a recipe training reads: what every trained model declares among its ``sections``."""

from __future__ import annotations

# What the trainer reads, and who lays out batches and parameter groups for it.
TRAINER_FIELDS = (
    "train.epochs",
    "train.learning_rate",
    "train.weight_decay",
    "train.warmup",
    "train.schedule",
    "train.batch_tokens",
    "train.accumulation",
    "train.max_grad_norm",
    "train.max_minutes",
    "train.shard_items",
)
# What a recommender's training reads besides: validation, the contexts of targets, the precision of matrices.
RECOMMENDER_FIELDS = (
    *TRAINER_FIELDS,
    "train.patience",
    "train.replay",
    "train.valid_users",
    "train.targets",
    "train.float32_matmul_precision",
)
