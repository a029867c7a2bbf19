"""The softmax over divided items has the value and the gradients of the whole: processes are threads here."""

from __future__ import annotations

import pytest
import torch
from support.thread_ranks import Threads

from llmrec.training import divided_softmax
from llmrec.training.divided_softmax import DividedSoftmax
from llmrec.training.losses import catalog_cross_entropy

N_ITEMS, DIM = 11, 4


@pytest.fixture
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Threads:
    world = Threads(request.param)
    for name in ("gathered", "summed", "largest", "rank"):
        monkeypatch.setattr(divided_softmax, name, getattr(world, name))
    monkeypatch.setattr(divided_softmax, "size", lambda: world.size)
    return world


# Six processes have two items each, the last one alone one: of eleven; of seven processes the last has none.
@pytest.mark.parametrize("threads", [2, 3, 7], indirect=True)
@pytest.mark.parametrize("repeat_bias", [False, True])
@pytest.mark.parametrize("at_once", [2, 100])
def test_value_and_gradients(threads: Threads, repeat_bias: bool, at_once: int) -> None:
    torch.manual_seed(0)
    n, size = 9, threads.size
    states, table, bias, values = (torch.randn(s) for s in ((n, DIM), (N_ITEMS, DIM), (N_ITEMS,), (n, 3)))
    targets, codes, weights = torch.randint(N_ITEMS - 1, (n,)), torch.randint(N_ITEMS, (n, 3)), torch.rand(n)
    bias[-1] = -torch.inf  # the last item takes no part
    given = [one.clone().requires_grad_() for one in (states, table, bias, values)]
    logits = given[0] @ given[1].T + given[2]
    logits = logits.scatter_add(1, codes, given[3]) if repeat_bias else logits
    expected = catalog_cross_entropy(logits, targets, weights)
    (3 * expected).backward()
    shares, losses = weights / weights.sum(), torch.zeros(size)
    of_states, of_values = torch.zeros_like(states), torch.zeros_like(values)
    of_table, of_bias, most = torch.zeros_like(table), torch.zeros_like(bias), -(-N_ITEMS // size)

    def compute(rank: int) -> None:
        mine = slice(0, 0) if rank == 0 else slice(n * (rank - 1) // (size - 1), n * rank // (size - 1))
        items = slice(min(rank * most, N_ITEMS), min((rank + 1) * most, N_ITEMS))
        parts = [one.clone().requires_grad_() for one in (states[mine], table[items], bias[items], values[mine])]
        # The first process has no target; rows of the others are not all equally long.
        width = 3 if rank == 0 else 3 + rank
        wide = (
            torch.nn.functional.pad(codes[mine], (0, width - 3)),
            torch.nn.functional.pad(parts[3], (0, width - 3)),
        )
        added = wide if repeat_bias else (None, None)
        loss: torch.Tensor = DividedSoftmax.apply(  # type: ignore[no-untyped-call]
            *parts[:3], targets[mine], shares[mine], *added, items.start, at_once, True
        )
        losses[rank] = loss.detach()
        gradients = torch.autograd.grad(3 * loss, parts if repeat_bias else parts[:3])
        of_states[mine], of_table[items], of_bias[items] = gradients[:3]
        if repeat_bias:
            of_values[mine] = gradients[3]

    threads.run(compute)
    assert losses.sum() == pytest.approx(expected.item(), abs=1e-5)
    results = [of_states, of_table, of_bias, *([of_values] if repeat_bias else [])]
    for result, one in zip(results, given, strict=False):
        torch.testing.assert_close(result, one.grad, atol=1e-5, rtol=1e-5)
