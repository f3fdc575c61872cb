"""Calls of Vault or OpenBao, by hvac, which is synchronous: it runs in a few threads of its own and nowhere else.

Source: Vault HTTP API, "Status codes", "Namespaces"; OpenBao answers the same.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import hvac  # type: ignore[import-untyped]
import requests
from hvac import exceptions

from connectors.sdk.errors import SecretStoreUnavailable

Answer = Mapping[str, Any]
Work = Callable[[Any], Any]
ResultT = TypeVar("ResultT")
_LATER_MS = 2000


class Denied(Exception):
    """Vault refused by its policies, or the token is no longer good. Nothing was done."""


class NotThere(Exception):
    """There is nothing at the path. `told` is what KV says of a version that was deleted."""

    def __init__(self, told: Answer) -> None:
        """Keep what was told."""
        super().__init__("nothing is there")
        self.told = told


class ConnectionLost(SecretStoreUnavailable):
    """No answer came, and perhaps nothing arrived: what only reads may be sent again."""


class Invalid(Exception):
    """Vault refused the request as it is. `reasons` are its own words, which hold no secret of ours."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        """Keep the reasons."""
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """Where Vault is. `timeout_seconds` bounds one request; `ca_file` is a PEM file that vouches for its host."""

    url: str
    namespace: str | None = None
    timeout_seconds: float = 5.0
    ca_file: str | None = None


class VaultCalls:
    """Runs requests, at most `at_once` at a time, and says what went wrong in the terms of this package."""

    def __init__(self, address: VaultAddress, *, at_once: int = 8) -> None:
        """Connect to nothing yet."""
        self._address = address
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="vault")
        # Waiting for a thread is no fault of Vault's, so it does not count against the time of a request.
        self._free = asyncio.Semaphore(at_once)
        self._kept = threading.local()
        self._closed = False

    async def run(self, token: str | None, work: Work) -> Answer:
        """Return the answer of one request, empty where Vault has nothing to say.

        Raises `Denied`, `NotThere`, `Invalid`, and `SecretStoreUnavailable` where Vault is sealed, away, not the
        active one, too slow or at its limits; then a write may have been applied all the same.
        """
        if self._closed:
            raise SecretStoreUnavailable("The secret store is closed.")
        async with self._free:
            try:
                # requests bounds the silence between two bytes only.
                async with asyncio.timeout(2 * self._address.timeout_seconds):
                    return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, token, work)
            except TimeoutError as error:
                raise _unavailable("did not answer in time") from error

    async def close(self) -> None:
        """Finish what runs."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)

    def _run(self, token: str | None, work: Work) -> Answer:
        client = self._client()
        client.token = token
        try:
            return _read(work(client))
        except exceptions.VaultError as error:
            raise _meaning(error) from None  # its text quotes the request
        except requests.exceptions.Timeout as error:
            raise _unavailable("did not answer in time") from error
        except requests.exceptions.RequestException as error:
            said = f"The secret store could not be reached ({type(error).__name__})."
            raise ConnectionLost(said, retry_after_ms=_LATER_MS) from None
        finally:
            client.token = None

    def _client(self) -> Any:
        """Return this thread's client, with a connection that it keeps."""
        client = getattr(self._kept, "client", None)
        if client is None:
            session = requests.Session()
            session.trust_env = False
            session.verify = self._address.ca_file or True  # hvac looks at the session's, and not at its own argument
            make: Any = hvac.Client  # untyped, and its guessed types are too narrow
            client = self._kept.client = make(
                url=self._address.url,
                token="",  # with none it looks for one in the environment and the home of the user
                namespace=self._address.namespace,
                timeout=self._address.timeout_seconds,
                session=session,
                # A standby redirects to an address of its own choice, and the token would go along.
                allow_redirects=False,
            )
        return client


def _read(answer: object) -> Answer:
    if isinstance(answer, dict):
        return cast("Answer", answer)
    if isinstance(answer, requests.Response):
        if answer.status_code == 204:
            return {}
        if 300 <= answer.status_code < 400:
            hint = "Give the gateway the address of the active Vault, or let standbys forward."
            raise _unavailable("sends the gateway elsewhere, which it does not follow", hint)
    raise _unavailable("answered what is not Vault's")


def _meaning(error: exceptions.VaultError) -> Exception:
    if isinstance(error, exceptions.Forbidden):
        return Denied("permission denied")
    if isinstance(error, exceptions.InvalidPath):
        found = error.json
        return NotThere(cast("Answer", found) if isinstance(found, dict) else {})
    if isinstance(error, exceptions.InvalidRequest):
        return Invalid(tuple(str(reason) for reason in error.errors or ()))
    if isinstance(error, exceptions.VaultDown):
        return _unavailable("is sealed", "An operator unseals it; nothing is lost meanwhile.")
    if isinstance(error, exceptions.RateLimitExceeded):
        return _unavailable("is at its limit of requests")
    if isinstance(error, exceptions.VaultNotInitialized):
        return _unavailable("is not set up")
    # Among these 500 of a standby without an active one, 412 and 472 of replicas that lag behind.
    return _unavailable("cannot serve now")


def _unavailable(why: str, hint: str | None = None) -> SecretStoreUnavailable:
    return SecretStoreUnavailable(f"The secret store {why}.", hint=hint, retry_after_ms=_LATER_MS)


def operators_turn(detail: str, hint: str) -> SecretStoreUnavailable:
    """Return the error for what no retry mends."""
    error = SecretStoreUnavailable(detail, hint=hint)
    error.retryable = False
    return error
