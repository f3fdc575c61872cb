"""Where requests may go: the connection's own host, declared ones, and nothing else."""

import ipaddress

import pytest

from connectors.sdk import InvalidInput
from connectors.sdk.errors import UpstreamUnavailable
from connectors.sdk.exchange import Request
from gateway.call import Connection
from gateway.upstream.destination import check_base_url, download_target, url_of
from tests.gateway.toy import toy_connector

TOY = toy_connector()
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def connection(base_url: str = "https://api.toy.example") -> Connection:
    given = {"granted": None, "health": "healthy", "health_reason": None, "version": 1}
    return Connection("c", "t", "e", "toy", "toy/main", "token", base_url, None, "1", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "http://api.toy.example",
        "http://10.0.0.1",
        "http://127.0.0.1",
        "ftp://api.toy.example",
        "//api.toy.example",
        "https://",
        "https://user:pass@api.toy.example",
        "https://user@api.toy.example",
        "https://api.toy.example?x=1",
        "https://api.toy.example#x",
        "https://api.toy.example/a/../b",
        "https://api.toy.example/%2e%2e",
        "https://api.toy.example\\@evil.example",
        "javascript:alert(1)",
        "https://[::1",
        "https://api.toy.example:99999",
        "https://api.toy.example:x",
        "",
    ],
)
def test_a_base_url_that_could_lead_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_base_url(TOY, url, ())


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.toy.example/", "https://api.toy.example"),
        ("https://toy.corp.example:8443/api/v2/", "https://toy.corp.example:8443/api/v2"),
    ],
)
def test_a_self_hosted_edition_has_a_base_url_of_its_own(url: str, kept: str) -> None:
    assert check_base_url(TOY, url, ()) == kept


def test_plain_http_is_for_loopback_that_the_operator_opened() -> None:
    assert check_base_url(TOY, "http://127.0.0.1:9", LOOPBACK) == "http://127.0.0.1:9"
    assert check_base_url(TOY, "http://localhost:9", LOOPBACK) == "http://localhost:9"
    for url in ("http://127.0.0.1:9", "http://localhost:9"):
        with pytest.raises(InvalidInput):
            check_base_url(TOY, url, ())
    with pytest.raises(InvalidInput):
        check_base_url(TOY, "http://128.0.0.1", LOOPBACK)


@pytest.mark.parametrize("origin", ["https://api.toy.example", "https://API.TOY.EXAMPLE"])
def test_a_request_may_name_a_declared_origin(origin: str) -> None:
    assert url_of(TOY, connection(), Request("GET", "/x", origin=origin)) == origin + "/x"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://api.toy.example.evil.example",
        "https://api.toy.example@evil.example",
        "https://evil.example/api.toy.example",
        "ftp://api.toy.example",
        "",
    ],
)
def test_a_request_to_another_origin_is_refused(origin: str) -> None:
    with pytest.raises(UpstreamUnavailable):
        url_of(TOY, connection("https://toy.corp.example"), Request("GET", "/x", origin=origin))


def test_a_download_goes_to_declared_hosts_or_back_to_its_own() -> None:
    here = connection()
    for location in ("https://files.toy.example/a?sig=1", "https://api.toy.example/signed"):
        assert download_target(TOY, here, location) == location
    for location in ("http://api.toy.example/x", "https://api.toy.example:8443/x", "https://files.toy.example.evil/x"):
        with pytest.raises(UpstreamUnavailable):
            download_target(TOY, here, location)
