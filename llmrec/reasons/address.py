"""The address of a server, what is sent to it in secret, and how it may be shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from llmrec.errors import ModelError
from llmrec.printable import printable

_CHAT = "/chat/completions"
_VISIBLE = re.compile("[!-~]+")
_LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Address:
    """Where chats are posted, with which ``headers``; ``shown`` holds none of the ``secrets``."""

    url: str
    shown: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, text: str, *, api_key: str | None = None) -> Address:
        """Read ``http://localhost:8000/v1``, perhaps with ``user:password@`` or a query.

        Raises ModelError for what is no address, and for a key that cannot stand in a header.
        """
        if api_key and not _VISIBLE.fullmatch(api_key):
            raise ModelError(
                "the API key holds a line break, a blank or a letter that no key has; set it anew, without them"
            )
        try:
            parts = urlsplit(text)
            host = (parts.hostname or "").encode("idna").decode()
            port = "" if parts.port is None else f":{parts.port}"
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not host or re.search(r"[\x00-\x20\x7f#]", text):
            raise ModelError(
                f"'{shown_address(text)}' is no address of a server; write it as http://localhost:8000/v1"
            )
        path = quote(parts.path.rstrip("/").removesuffix(_CHAT), safe="/%:@!$&'()*+,;=~")
        shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}"
        query = quote(parts.query, safe="/%:@!$&'()*+,;=~?")
        headers, secrets = _authorization(parts.username, parts.password, api_key, shown)
        secrets += tuple(value for _, value in parse_qsl(parts.query))
        return cls(f"{shown}{_CHAT}{f'?{query}' if query else ''}", shown, headers, secrets)


def _authorization(
    user: str | None, password: str | None, api_key: str | None, shown: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the headers that say who asks, and what of them is secret."""
    if not user and not password:
        return ({"Authorization": f"Bearer {api_key}"}, (api_key,)) if api_key else ({}, ())
    if api_key:
        raise ModelError(f"{shown}: there is an API key and a user in the address; give one of them")
    pair = f"{unquote(user or '')}:{unquote(password or '')}"
    token = base64.b64encode(pair.encode()).decode()
    secret = password or user or ""
    return {"Authorization": f"Basic {token}"}, tuple({secret, unquote(secret), token})


def shown_address(text: str) -> str:
    """Write what should be an address without a user, a password and a query."""
    bare = re.sub(r"\?.*", "?***", text, flags=re.DOTALL)
    bare = re.sub(r"^(\w[\w+.-]*://)?.*@", r"\1***@", bare, flags=re.DOTALL)
    return printable(bare, longest=_LONGEST_SHOWN)
