"""What docs/deploy.md and its files name is there: files, extras, commands, options, variables, addresses."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from support.serving import NEEDS, served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec.cli.app import app as commands
from llmrec.serve.app import make_app
from llmrec.serve.security import KEY, OPEN_PATHS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "deploy"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.iterdir())}
COMPOSE: dict[str, Any] = yaml.safe_load(TEXTS["compose.yaml"])["services"]["llmrec"]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, and what stands after each."""
    lines = [line for line in TEXTS["Dockerfile"].splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def unit() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(TEXTS["llmrec.service"])
    return dict(parser["Service"])


def options(command: str) -> set[str]:
    root: Any = typer.main.get_command(commands)
    return {option for parameter in root.commands[command].params for option in parameter.opts}


def check_command(words: list[str], *, host: str) -> None:
    """See that words are `serve RUN` with options that it has, on this host and the port of all files."""
    assert words[0] == "serve" and words[1].endswith(("/model", "/${LLMREC_RUN:-model}"))
    named = dict(zip(words[2::2], words[3::2], strict=True))
    assert named.keys() <= options("serve")
    assert (named["--host"], named["--port"]) == (host, "8000")


def test_the_image_is_built_of_what_is_there() -> None:
    sources = [word for rest in of("COPY") if "--from" not in rest for word in rest.split()[:-1]]
    assert all((ROOT / source).exists() for source in sources)
    shipped = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    needed = {*shipped, "pyproject.toml", "constraints.txt", PROJECT["project"]["readme"]}
    needed |= set(PROJECT["project"]["license-files"])
    assert needed == set(sources)
    ignored = TEXTS["Dockerfile.dockerignore"].split()
    assert "*" in ignored and {line[1:] for line in ignored if line.startswith("!")} == needed
    (install,) = [rest for rest in of("RUN") if "pip install" in rest]
    assert "-c constraints.txt" in install
    (extra,) = re.findall(r"'\.\[(\w+)\]'", install)
    assert extra in PROJECT["project"]["optional-dependencies"]
    assert f"llmrec:{PROJECT['project']['version']}" == COMPOSE["image"]


def test_the_base_is_pinned_and_allowed() -> None:
    (version,) = re.findall(r"^ARG PYTHON=(\d+\.\d+)\.\d+-slim-\w+$", TEXTS["Dockerfile"], re.MULTILINE)
    assert f"Programming Language :: Python :: {version}" in PROJECT["project"]["classifiers"]
    assert of("FROM") == ["python:${PYTHON} AS build", "python:${PYTHON}"]


def test_the_container_has_few_rights_and_no_secret() -> None:
    (user,) = of("USER")
    assert user.split(":")[0].isdecimal() and user != "0:0"
    assert not re.search(r"(?i)(key|token|secret|password)", " ".join(of("ENV") + of("ARG")))
    assert COMPOSE["read_only"] is True and COMPOSE["cap_drop"] == ["ALL"]
    assert COMPOSE["security_opt"] == ["no-new-privileges:true"]
    assert COMPOSE["user"].startswith("${LLMREC_UID:-10001}")
    assert COMPOSE["environment"].keys() == {KEY}
    assert COMPOSE["environment"][KEY].startswith(f"${{{KEY}:?")  # it does not start without
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["ports"])
    build = COMPOSE["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).resolve() == FOLDER / "Dockerfile"
    folders = {volume.rsplit(":", 1)[1] for volume in COMPOSE["volumes"]}
    assert folders == {"/runs", "/cache"} and "LLMREC_CACHE=/cache" in " ".join(of("ENV"))


def test_commands_are_the_command_line_s() -> None:
    assert json.loads(of("ENTRYPOINT")[0]) == ["llmrec"] == list(PROJECT["project"]["scripts"])
    check_command(json.loads(of("CMD")[0]), host="0.0.0.0")
    check_command(COMPOSE["command"], host="0.0.0.0")
    check_command(shlex.split(unit()["ExecStart"])[1:], host="127.0.0.1")
    assert "-HUP" in unit()["ExecReload"]


def test_health_is_asked_where_no_key_is_needed(runs: Path, tmp_path: Path) -> None:
    (health,) = of("HEALTHCHECK")
    (path,) = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", health)
    (proxied,) = re.findall(r"health_uri (/\w+)", TEXTS["Caddyfile"])
    assert {path, proxied} <= OPEN_PATHS
    assert "reverse_proxy 127.0.0.1:8000" in TEXTS["Caddyfile"] and of("EXPOSE") == ["8000"]
    with served(runs / "markov", tmp_path / "e") as one:
        routes = {getattr(route, "path", "") for route in make_app(one.service).routes}
        assert {path, proxied} <= routes
        text = one.client.get("/metrics").text
    named = set(re.findall(r"\b(?:llmrec|process)_[a-z_]+\b", PAGE))
    assert len(named) > 8
    families = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert not {name for name in named if re.sub(r"_(bucket|sum|count)$", "", name) not in families}


def test_variables_are_read_or_explained() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "llmrec").rglob("*.py"))
    for text in (*TEXTS.values(), PAGE):
        for name in set(re.findall(r"\bLLMREC_[A-Z]+\b", text)):
            interpolated = f"${{{name}:" in TEXTS["compose.yaml"]
            assert f'"{name}"' in code or (interpolated and name in PAGE), name


def test_the_unit_is_hardened() -> None:
    values = unit()
    assert values["User"] == "llmrec"
    assert values["ProtectSystem"] == "strict" and values["CapabilityBoundingSet"] == ""
    hardened = ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictNamespaces", "ProtectKernelTunables")
    assert {values[name] for name in hardened} == {"yes"}
    assert "MemoryDenyWriteExecute" not in values  # PyTorch could not compute


def test_files_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"docs/deploy/[\w.]+\w", PAGE))
    assert len(named) > 3
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_the_copy_of_the_events_is_whole_while_the_service_takes_more(runs: Path, tmp_path: Path) -> None:
    (line,) = re.findall(r"python3 (-c '.+') RUN\.events\.sqlite BACKUP\.sqlite", PAGE)
    events, copy = tmp_path / "events.sqlite", tmp_path / "copy.sqlite"
    with served(runs / "markov", events) as one:
        one.post("/events", user_id="ann", events=[{"item_id": str(n)} for n in range(5)])
        subprocess.run([sys.executable, *shlex.split(line), str(events), str(copy)], check=True)
        one.post("/events", user_id="ann", events=[{"item_id": "6"}])
        lists = one.post("/recommend", user_id="ann", k=3)["items"]
    with served(runs / "markov", copy) as again:
        assert sqlite3.connect(copy).execute("SELECT COUNT(*) FROM events").fetchone() == (5,)
        again.post("/events", user_id="ann", events=[{"item_id": "6"}])
        assert again.post("/recommend", user_id="ann", k=3)["items"] == lists
