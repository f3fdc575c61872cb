"""Requests and answers in httpx's terms. Both clients send through these."""

import httpx

from gatehouse_client.options import Address
from gatehouse_client.wire import Lost, Received, Send

_CONNECT_SECONDS = 10.0
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


def request(http: httpx.Client | httpx.AsyncClient, address: Address, send: Send) -> httpx.Request:
    """Return a request with the key on it. It goes to the gateway alone: nothing follows a redirect."""
    return http.build_request(
        send.method,
        address.url + send.path,
        headers={**send.headers, **address.headers},
        content=send.content,
        timeout=timeouts(send),
    )


def timeouts(send: Send) -> httpx.Timeout:
    """Return how long to wait for what."""
    return httpx.Timeout(send.seconds, connect=_CONNECT_SECONDS)


def lost(error: httpx.TransportError) -> Lost:
    """Return a failure to send or to read. Its words are httpx's name of it: a message may quote anything."""
    return Lost(type(error).__name__, sent=not isinstance(error, _NOT_SENT))


def received(address: Address, answer: httpx.Response) -> Received:
    """Return an answer that was read whole. An error never quotes the key back to the program's logs."""
    content = answer.content
    if answer.status_code >= 300:
        content = content.replace(address.key.encode(), b"***")
    return Received(answer.status_code, answer.headers, content)
