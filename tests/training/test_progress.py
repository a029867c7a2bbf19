"""Progress on a terminal and elsewhere."""

from __future__ import annotations

import pytest

from llmrec.training.progress import Progress


def test_progress_speaks_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for shown in (True, False):
        bar = Progress("tiny", shown=shown)
        bar.start(10, done=4)
        bar.step(5, loss=1.0, tokens_per_second=10.0)
        bar.epoch({"epoch": 1, "loss": 1.5, "valid_ndcg@10": 0.25})
        bar.stop()
        output = capsys.readouterr()
        assert output.out == ""
        lines = output.err.splitlines()
        assert lines == (
            ["tiny: continuing from step 4 of 10", "tiny: epoch 1  loss 1.500  valid NDCG@10 0.2500"]
            if shown
            else []
        )
