"""Decoding with a model on another device than the one that tokens and masks come from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig

from llmrec.llm.decode import Decoder
from llmrec.llm.ragged import RaggedTokens


class Echo(nn.Module):
    """A language model whose states are the embeddings of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings, self.head = nn.Embedding(10, 4), nn.Linear(4, 10)
        self.config = LlamaConfig(num_hidden_layers=1)

    @property
    def base_model(self) -> Self:
        return self

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def forward(
        self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor, cache: Any = None, use_cache: bool = True
    ) -> SimpleNamespace:
        assert attention_mask.device == inputs_embeds.device
        return SimpleNamespace(last_hidden_state=inputs_embeds)


def test_texts_that_go_on_from_a_row_are_read_on_the_model_s_device() -> None:
    """PyTorch's device without memory refuses tensors of another one, as a GPU does."""
    decoder, tokens = Decoder(Echo().to("meta")), torch.tensor([[3, 4, 5]])
    state = decoder.read(decoder.embed(tokens), tokens >= 0)
    states = decoder.states_after(state, RaggedTokens.of([[6], [7, 8], []]), budget=100)
    assert (states.device.type, states.shape) == ("meta", (3, 4))


def test_no_double_precision_is_asked_of_the_model_s_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac's GPU has none."""
    double = torch.Tensor.double

    def refused(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.device.type == "meta":
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return double(tensor)

    monkeypatch.setattr(torch.Tensor, "double", refused)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.zeros(tensor.shape, dtype=tensor.dtype))
    decoder, rows = Decoder(Echo().to("meta")), np.array([0, 0, 1])
    values = decoder.log_probabilities(torch.zeros(2, 4, device="meta"), rows, np.array([1, 2, 3]))
    assert (str(values.dtype), values.shape) == ("float64", (3,))
