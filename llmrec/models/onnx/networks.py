"""Encoders of histories as PyTorch writes them to ONNX: item codes in, the vector of each history out.

All take codes [n, length], padded on the right with -1; a row may be empty.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from llmrec.models.llm.network import NextItemNetwork
from llmrec.models.sequential.networks import SequenceNetwork

# The order in which ONNX has the gates, by their numbers in PyTorch.
GATES = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
OPSET = 14  # since when ONNX has these layers as they are written here


class LastStates(nn.Module):
    """The state of a sequence network after each history: [n, dim]."""

    table: torch.Tensor

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.register_buffer("table", network.table().detach())
        self.network = copy.copy(network)
        vars(self.network)["table"] = lambda: self.table  # of texts: they are not projected again
        self.network._modules = dict(network._modules)
        cells = network._modules.get("cells")
        if isinstance(cells, nn.GRU | nn.LSTM):
            self.network._modules["cells"] = RecurrentLayers(cells)

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return the states."""
        return _at(self.network.states(items), (items >= 0).sum(dim=1))


class LastUserVectors(nn.Module):
    """The unit user vectors of an LLM that reads item vectors: [n, dim].

    ``blocks`` read histories, ``prefix`` [n_tokens] are the tokens before each.
    """

    vectors: torch.Tensor
    prefix: torch.Tensor

    def __init__(self, network: NextItemNetwork, blocks: nn.Module, prefix: torch.Tensor) -> None:
        super().__init__()
        self.network, self.blocks = network, blocks
        with torch.no_grad():
            self.register_buffer("vectors", network.items())
            self.register_buffer("prefix", network.model.get_input_embeddings()(prefix)[None])

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors."""
        soft_tokens = self.network.soft_tokens(functional.embedding(items.clamp(min=0), self.vectors))
        read = torch.cat([self.prefix.expand(items.shape[0], -1, -1), soft_tokens], dim=1)
        states = self.blocks(inputs_embeds=read, use_cache=False).last_hidden_state
        return self.network.users(_at(states, self.prefix.shape[1] - 1 + (items >= 0).sum(dim=1)))


class RecurrentLayers(nn.Module):
    """GRU or LSTM layers as ONNX's own: PyTorch would write a step for each position of the traced histories."""

    def __init__(self, cells: nn.GRU | nn.LSTM) -> None:
        super().__init__()
        self.kind, self.width, self.n_layers = cells.mode, cells.hidden_size, cells.num_layers
        self.attributes: dict[str, Any] = {"hidden_size": self.width}
        if self.kind == "GRU":
            self.attributes["linear_before_reset"] = 1
        order = GATES[self.kind]

        def rows(name: str) -> torch.Tensor:
            gates = cast("torch.Tensor", getattr(cells, name)).detach().chunk(len(order))
            return torch.cat([gates[gate] for gate in order])[None]

        for layer in range(self.n_layers):
            self.register_buffer(f"inputs{layer}", rows(f"weight_ih_l{layer}"))
            self.register_buffer(f"states{layer}", rows(f"weight_hh_l{layer}"))
            biases = [rows(f"bias_{part}_l{layer}") for part in ("ih", "hh")]
            self.register_buffer(f"biases{layer}", torch.cat(biases, dim=1))

    def forward(self, embedded: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the states of the last layer, [n, length, width] of [n, length, dim]."""
        read = embedded.transpose(0, 1)
        for layer in range(self.n_layers):
            weights = [self.get_buffer(f"{part}{layer}") for part in ("inputs", "states", "biases")]
            shape = (read.shape[0], 1, read.shape[1], self.width)
            read = torch.onnx.ops.symbolic(
                self.kind, [read, *weights], self.attributes, dtype=read.dtype, shape=shape, version=OPSET
            ).squeeze(1)
        return (read.transpose(0, 1),)


def _at(states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Return of states [n, length, dim] those at positions [n]: [n, dim]."""
    return states.gather(1, positions[:, None, None].expand(-1, 1, states.shape[2])).squeeze(1)
