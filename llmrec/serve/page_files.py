"""The page at ``/``: files that are read once, and what browsers are told to let them do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).with_name("page")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# Only files of this service are read, only this service is asked, and no text can become markup or a script.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}


def page_files() -> dict[str, bytes]:
    """Return the files of the page by their paths; the page itself is at ``/``."""
    files = sorted(path for path in FOLDER.iterdir() if path.suffix in TYPES)
    return {"/" if path.name == "index.html" else f"/page/{path.name}": path.read_bytes() for path in files}


def add_page(app: FastAPI) -> None:
    """Serve the page. It holds nothing of the run and is answered without a key: it asks for one."""
    for path, content in page_files().items():
        _add_file(app, path, content, TYPES[Path(path).suffix or ".html"])


def _add_file(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    @app.get(path, include_in_schema=False)
    async def file(request: Request) -> Response:
        headers = {**HEADERS, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)
