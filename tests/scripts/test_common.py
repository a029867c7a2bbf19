"""What all scripts share: data by name or folder, a measured child process, a result file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from eval.common import arguments, open_data, read_result, run_measured, write_result
from llmrec.data import toy_films
from llmrec.errors import DataError


def test_a_folder_is_opened_and_a_share_of_its_users_is_the_same_every_time(tmp_path: Path) -> None:
    data = toy_films(n_items=12, n_users=30)
    data.save(tmp_path / "films")
    assert open_data(str(tmp_path / "films")).fingerprint == data.fingerprint
    part = open_data(str(tmp_path / "films"), users=0.2)
    assert (part.n_users, part.name) == (6, f"{data.name}-0.2")
    assert part.fingerprint == open_data(str(tmp_path / "films"), users=0.2).fingerprint
    with pytest.raises(DataError, match="prepare"):
        open_data(str(tmp_path / "nothing"))


def test_a_child_is_measured_with_its_children() -> None:
    inner = "import time; block = bytearray(150_000_000); time.sleep(0.5)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}]); print('{{\"n\": 1}}')"
    run = run_measured([sys.executable, "-c", outer])
    assert run.failure is None
    assert run.values() == {"n": 1}
    assert run.seconds > 0.5
    assert 0.14 < run.peak_memory_gib < 1


def test_a_failed_child_says_why() -> None:
    run = run_measured([sys.executable, "-c", "print('{}'); raise SystemExit('no disk left')"])
    assert run.failure is not None
    assert run.failure.endswith("no disk left")
    with pytest.raises(SystemExit, match="no disk left"):
        run.values()


def test_a_result_says_where_when_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).resolve().parents[2] / "eval" / "benchmarks" / "scale.py"
    monkeypatch.setattr("sys.argv", [str(script), "--events", "20 000"])
    rows = [{"side": "a", "seconds": 1.5}]
    write_result(tmp_path / "new" / "tiny.json", {"Times": rows}, settings={"n": 2}, details={"raw": [1, 2]})
    values = read_result(tmp_path / "new" / "tiny.json")
    assert values["name"] == "tiny"
    assert values["command"] == "python eval/benchmarks/scale.py --events '20 000'"
    assert values["sections"] == [{"title": "Times", "rows": rows}]
    assert (values["settings"], values["details"]) == ({"n": 2}, {"raw": [1, 2]})
    assert values["machine"]["cpus"] >= 1
    assert values["versions"]["llmrec"]
    assert values["date"].count("-") == 2
    assert json.dumps(values)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tiny.json"]


def test_a_misspelt_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        arguments("Nothing.", data=True).parse_args(["--dat", "ml-100k"])
    assert stopped.value.code == 2
    assert "--dat" in capsys.readouterr().err
