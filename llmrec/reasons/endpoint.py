"""Word evidence by any OpenAI-compatible server: vLLM, llama.cpp, Ollama, ``transformers serve``."""

from __future__ import annotations

import http
import http.client
import json
import logging
import math
import re
import threading
import time
import urllib.error

from llmrec.errors import ModelError
from llmrec.prompting import one_line
from llmrec.reasons.address import Address
from llmrec.reasons.chat_request import chat_messages
from llmrec.reasons.exchange import DeadlineClient, TooLong, each
from llmrec.reasons.narrate import first_line
from llmrec.reasons.request import NarrationRequest

log = logging.getLogger(__name__)

# An answer of a few sentences is far smaller; a server that sends more is not trusted with our memory.
LARGEST_ANSWER = 2**20
# What may pass by itself; other refusals (a wrong key, an unknown model) would only be repeated.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_VISIBLE = re.compile("[^!-~]")


class _NoAnswer(Exception):
    """One request got nothing usable; ``again`` says whether asking again may help."""

    def __init__(self, reason: str, *, again: bool = True) -> None:
        super().__init__(reason)
        self.again = again


class EndpointNarrator:
    """Words evidence by a chat model behind ``url`` (such as ``http://localhost:8000/v1``).

    ``timeout`` seconds bound one reason with all its ``retries``, whatever the server does; at most
    ``concurrency`` requests run at a time. After as many failures in a row as could run at once, the rest is not
    requested any more. Where nothing usable comes back the reason is None, which ``explain`` replaces, and one
    warning is logged. Chat markup in a title is up to the server's tokenizer; each reason is asked for by itself,
    and audited as any other. The server is told the planned facts and which wordings the audit reads, see
    ``chat_messages``.

    ``api_key``, a password or a query in the address are sent to the server and shown nowhere; where there is
    one, nor is what the server says of an error: it may repeat them. Redirects are not followed.
    Raises ModelError for an address that is not http or https, a key that cannot be sent, or a bad number.

    >>> EndpointNarrator("http://localhost:8000/v1", "qwen3-8b", timeout=10).backend
    'endpoint'
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
        if not (math.isfinite(timeout) and timeout > 0):
            raise ModelError(f"timeout is {timeout}; give the seconds that a reason may take, such as 30")
        self._address = Address.of(url, api_key=api_key)
        self.url, self.model, self.api_key = self._address.shown, model, api_key
        self.timeout, self.retries, self.concurrency = timeout, max(0, retries), max(1, concurrency)
        self.max_tokens = max_tokens
        self._client = DeadlineClient(most=LARGEST_ANSWER)

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        """Write one reason for each request, in order; None where the server gave none in time."""
        over, lock, failures = threading.Event(), threading.Lock(), list[str]()
        in_a_row = 0

        def ask(request: NarrationRequest) -> str | None:
            nonlocal in_a_row
            if over.is_set():
                return None
            try:
                answer = self._ask(request, over)
            except _NoAnswer as error:
                with lock:
                    failures.append(str(error))
                    in_a_row += 1
                    if in_a_row >= self.concurrency:
                        over.set()
                return None
            with lock:
                in_a_row = 0
            return answer

        def stop() -> None:
            over.set()
            self._client.abort()

        answers = each(ask, requests, threads=self.concurrency, stop=stop)
        if failures:
            missing = sum(answer is None for answer in answers)
            log.warning("%s: %d of %d reasons did not come: %s", self.url, missing, len(requests), failures[0])
        return answers

    def _ask(self, request: NarrationRequest, over: threading.Event) -> str:
        """Ask until an answer comes, the tries are used up or the time is over. Raises _NoAnswer."""
        deadline, pause = time.monotonic() + self.timeout, 0.2
        for left in range(self.retries, -1, -1):
            try:
                return self._request(request, deadline)
            except _NoAnswer as error:
                if not left or not error.again or time.monotonic() + pause >= deadline or over.wait(pause):
                    raise
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _request(self, request: NarrationRequest, deadline: float) -> str:
        messages = chat_messages(request)
        body = {
            "model": self.model,
            "messages": messages,
            "temperature": 0,
            "max_tokens": self.max_tokens,
            "stream": False,
        }
        address = self._address
        headers = {"Content-Type": "application/json", **address.headers}
        try:
            raw = self._client.post(address.url, json.dumps(body).encode(), headers, deadline)
        except urllib.error.HTTPError as error:
            error.close()
            raise _NoAnswer(_status(error.code), again=error.code in _PASSING) from None
        except TooLong:
            raise _NoAnswer("the answer is endless", again=False) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = isinstance(getattr(error, "reason", error), TimeoutError)
            reason = f"no answer within {self.timeout:g} s" if late else _broken(error)
            raise _NoAnswer(reason, again=not late) from None
        text = self._content(raw)
        # A key of one letter stands in every sentence; one that we wrote ourselves is no echo.
        sent, received = (_NOT_VISIBLE.sub("", part).lower() for part in (json.dumps(messages), text))
        if any(secret in received and secret not in sent for secret in map(str.lower, address.secrets)):
            raise _NoAnswer("the answer repeats the key", again=False)
        return text

    def _content(self, raw: bytes) -> str:
        """Return the first line that the model wrote. Raises _NoAnswer for anything but a chat completion."""
        try:
            text = json.loads(raw)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            shown = "" if self._address.secrets else f": {one_line(raw[:80].decode(errors='replace'))!r}"
            raise _NoAnswer(f"the answer is no chat completion{shown}") from None
        if not isinstance(text, str):
            raise _NoAnswer("the answer holds no text")
        return first_line(text)


def _status(code: int) -> str:
    """Name an HTTP status in our words: a server may write anything beside it."""
    try:
        phrase = f" {http.HTTPStatus(code).phrase}"
    except ValueError:
        phrase = ""
    return f"HTTP {code}{phrase}{', which is not followed' if 300 <= code < 400 else ''}"


def _broken(error: Exception) -> str:
    """Say why there was no answer, again in our words."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    if isinstance(cause, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError):
        return "the connection was closed without an answer"
    if isinstance(cause, http.client.IncompleteRead):
        return "the answer ends early"
    if not isinstance(cause, OSError):
        return f"the answer is no HTTP ({type(cause).__name__})"
    refused_by_proxy = re.match(r"Tunnel connection failed: \d+", str(cause))
    return refused_by_proxy.group() if refused_by_proxy else one_line(cause.strerror or type(cause).__name__)
