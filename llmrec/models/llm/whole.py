"""After FSDP: the trained weights put into a network that is whole, which can be merged, copied and saved."""

from __future__ import annotations

from dataclasses import replace

from llmrec.config import Recipe
from llmrec.models.llm.build import build_encoder
from llmrec.models.llm.state import LLMState


def whole_state(recipe: Recipe, state: LLMState) -> LLMState:
    """Return a state with a network of its own around the base model, which is loaded again.

    Its items are still those of ``state``. Every process must call it: each gathers the trained weights.
    """
    from llmrec.llm.backbone import add_adapter, load_backbone
    from llmrec.runtime import device_name
    from llmrec.training.checkpoints import load_trainable, trainable_state

    trained = trainable_state(state.encoder.network)
    model, tokenizer = load_backbone(recipe.backbone, state.base)
    model.to(device_name())  # type: ignore[arg-type]  # transformers' stub wants a model here
    encoder = build_encoder(
        recipe,
        add_adapter(model, recipe.lora),
        tokenizer=tokenizer,
        serializer=state.encoder.serializer,
        encodings=state.encodings,
        counts=state.counts,
        fields=state.fields,
        training=True,
    )
    load_trainable(encoder.network, trained)
    return replace(state, encoder=encoder)
