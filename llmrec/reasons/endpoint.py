"""Word evidence by any OpenAI-compatible server: vLLM, llama.cpp, Ollama, ``transformers serve``."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llmrec.errors import ModelError
from llmrec.prompting import one_line
from llmrec.reasons.narrate import first_line
from llmrec.reasons.request import NarrationRequest

log = logging.getLogger(__name__)

# An answer of a few sentences is far smaller; a server that sends more is not trusted with our memory.
LARGEST_ANSWER = 2**20
_PIECE = 2**14
# What may pass by itself; other refusals (a wrong key, an unknown model) would only be repeated.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


class _NoAnswer(Exception):
    """One request got nothing usable; ``again`` says whether asking again may help."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(reason)
        self.again = again


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key would go along to another server."""

    def redirect_request(self, *_: Any) -> None:
        return None


class EndpointNarrator:
    """Words evidence by a chat model behind ``url`` (such as ``http://localhost:8000/v1``).

    ``timeout`` seconds bound one reason with all its ``retries``; at most ``concurrency`` requests run at a
    time. After as many failures in a row as could run at once, the rest is not requested any more. Where nothing
    usable comes back the reason is None, which ``explain`` replaces, and one warning is logged. Chat markup in
    a title is up to the server's tokenizer; each reason is asked for by itself, and audited as any other.
    Raises ModelError for an address that is not http or https.
    """

    backend = "endpoint"

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        retries: int = 2,
        concurrency: int = 4,
        max_tokens: int = 120,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ModelError(f"'{url}' is no address of a server; write it as http://localhost:8000/v1")
        self.url, self.model, self.api_key = url.rstrip("/"), model, api_key
        self.timeout, self.retries, self.concurrency = timeout, retries, max(1, concurrency)
        self.max_tokens = max_tokens
        self._opener = urllib.request.build_opener(_StayHere())

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Write one reason for each request, in order; None where the server gave none in time."""
        given_up, lock, failures = threading.Event(), threading.Lock(), list[str]()
        in_a_row = 0

        def ask(request: NarrationRequest) -> str | None:
            nonlocal in_a_row
            if given_up.is_set():
                return None
            try:
                answer = self._ask(request)
            except _NoAnswer as error:
                with lock:
                    failures.append(str(error))
                    in_a_row += 1
                    if in_a_row >= self.concurrency:
                        given_up.set()
                return None
            with lock:
                in_a_row = 0
            return answer

        with ThreadPoolExecutor(self.concurrency) as pool:
            answers = list(pool.map(ask, requests))
        if failures:
            missing = sum(answer is None for answer in answers)
            log.warning("%s: %d of %d reasons did not come: %s", self.url, missing, len(requests), failures[0])
        return answers

    def _ask(self, request: NarrationRequest) -> str:
        """Ask until an answer comes, the tries are used up or the time is over. Raises _NoAnswer."""
        deadline, pause = time.monotonic() + self.timeout, 0.2
        for left in range(self.retries, -1, -1):
            try:
                return self._request(request, deadline)
            except _NoAnswer as error:
                if not left or not error.again or time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _request(self, request: NarrationRequest, deadline: float) -> str:
        body = {
            "model": self.model,
            "messages": request.messages(),
            "temperature": 0,
            "max_tokens": self.max_tokens,
            "stream": False,
        }
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        http_request = urllib.request.Request(
            f"{self.url}/chat/completions", data=json.dumps(body).encode(), headers=headers, method="POST"
        )
        try:
            with self._opener.open(http_request, timeout=max(0.01, deadline - time.monotonic())) as answer:
                raw = b"".join(_read(answer, deadline))
        except urllib.error.HTTPError as error:
            error.close()
            raise _NoAnswer(f"HTTP {error.code} {error.reason}", again=error.code in _PASSING) from error
        except TimeoutError as error:
            raise _NoAnswer(f"no answer within {self.timeout:g} s", again=False) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            late = isinstance(reason, TimeoutError)
            raise _NoAnswer(f"no answer within {self.timeout:g} s" if late else str(reason)) from error
        return _content(raw)


def _read(answer: Any, deadline: float) -> Iterator[bytes]:
    """Read piece by piece: a server that drips would never run into the timeout of one read."""
    size = 0
    while piece := answer.read1(_PIECE):
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise _NoAnswer("the answer is endless", again=False)
        if time.monotonic() >= deadline:
            raise TimeoutError
        yield piece


def _content(raw: bytes) -> str:
    """Return the first line that the model wrote. Raises _NoAnswer for anything but a chat completion."""
    try:
        text = json.loads(raw)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        shown = one_line(raw[:80].decode(errors="replace"))
        raise _NoAnswer(f"the answer is no chat completion: {shown!r}") from error
    if not isinstance(text, str):
        raise _NoAnswer("the answer holds no text")
    return first_line(text)
