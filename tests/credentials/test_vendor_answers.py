"""What each vendor's token endpoint answers to a refresh, by the methods that its connector declares.

Sources: GitHub "Refreshing user access tokens"; Atlassian "OAuth 2.0 (3LO) apps"; Zendesk "OAuth tokens for grant
types"; Salesforce "OAuth 2.0 Refresh Token Flow".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest
import respx
from credentials import Target, Tokens
from credentials.token import AccessToken

from connectors.github.connector import github
from connectors.jira.connector import jira
from connectors.sdk import OAuthUser, RootInToken
from connectors.sdk.auth import AuthMethod
from connectors.sdk.connector import Connector
from connectors.sdk.errors import ConnectionUnhealthy, UpstreamQuota, UpstreamUnavailable
from connectors.sdk.hosts import HostPattern
from connectors.zendesk.connector import zendesk
from tests.credentials.standins import WHERE, Clock, MemoryStore

ORG = "https://acme.my.salesforce.com"
ROTATION_OFF = OAuthUser(
    authorize_url="{origin}/services/oauth2/authorize",
    token_url="{origin}/services/oauth2/token",
    single_use_refresh=False,
    discover=RootInToken("instance_url"),
)


@dataclass(frozen=True)
class Vendor:
    """A vendor, and what it answers when all is well."""

    target: Target
    method: OAuthUser
    url: str
    good: Mapping[str, object]
    refresh: str
    granted: frozenset[str]
    life: timedelta | None
    refusal: httpx.Response = field(default=httpx.Response(400, json={"error": "invalid_grant"}))


def of(connector: Connector, base_url: str) -> Target:
    return Target(
        where=WHERE,
        title=connector.title,
        api_root=base_url,
        origin=connector.web_origin(base_url),
        hosts=connector.hosts,
    )


def by(method: AuthMethod) -> OAuthUser:
    assert isinstance(method, OAuthUser)
    return method


VENDORS = {
    "github": Vendor(
        of(github, "https://api.github.com"),
        by(github.auth["oauth"]),
        "https://github.com/login/oauth/access_token",
        {
            "access_token": "ghu_new",
            "expires_in": 28800,
            "refresh_token": "ghr_new",
            "refresh_token_expires_in": 15811200,
            "scope": "",
            "token_type": "bearer",
        },
        "ghr_new",
        frozenset({"old"}),
        timedelta(hours=8),
        httpx.Response(200, json={"error": "bad_refresh_token", "error_description": "passed is incorrect or expired"}),
    ),
    "atlassian": Vendor(
        of(jira, "https://api.atlassian.com"),
        by(jira.auth["oauth"]),
        "https://auth.atlassian.com/oauth/token",
        {
            "access_token": "eyJ.new.x",
            "refresh_token": "eyJ.r2.x",
            "expires_in": 3600,
            "token_type": "Bearer",
            "scope": "read:jira-work offline_access",
        },
        "eyJ.r2.x",
        frozenset({"read:jira-work", "offline_access"}),
        timedelta(hours=1),
        httpx.Response(403, json={"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}),
    ),
    "zendesk": Vendor(
        of(zendesk, "https://acme.zendesk.com"),
        by(zendesk.auth["oauth"]),
        "https://acme.zendesk.com/oauth/tokens",
        {
            "access_token": "new-zd",
            "refresh_token": "r2-zd",
            "token_type": "bearer",
            "scope": "tickets:read tickets:write",
            "expires_in": 172800,
            "refresh_token_expires_in": 7776000,
        },
        "r2-zd",
        frozenset({"tickets:read", "tickets:write"}),
        timedelta(days=2),
        httpx.Response(400, json={"error": "invalid_grant", "error_description": "The provided grant is invalid"}),
    ),
    "salesforce": Vendor(
        Target(where=WHERE, title="Salesforce", api_root=ORG, origin=ORG, hosts=(HostPattern("*.my.salesforce.com"),)),
        ROTATION_OFF,
        f"{ORG}/services/oauth2/token",
        {
            "access_token": "00Dx!new",
            "instance_url": ORG,
            "id": "https://login.salesforce.com/id/00Dx/005x",
            "token_type": "Bearer",
            "issued_at": "1767268800000",
            "signature": "c2ln",
            "scope": "api refresh_token",
        },
        "r1-secret",
        frozenset({"api", "refresh_token"}),
        None,
        httpx.Response(400, json={"error": "invalid_grant", "error_description": "expired access/refresh token"}),
    ),
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, memory: MemoryStore, clock: Clock) -> Vendor:
    memory.keep(
        "oauth",
        access_token="old-secret",
        refresh_token="r1-secret",
        client_id="id",
        client_secret="hush-secret",
        expires_at=clock.now.isoformat(),
        scope="old",
    )
    return VENDORS[request.param]


async def asked(tokens: Tokens, vendor: Vendor) -> AccessToken:
    return await tokens.token_for(vendor.target, method=vendor.method)


@respx.mock
async def test_a_good_answer_is_read_as_the_vendor_documents_it(
    vendor: Vendor, tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    respx.post(vendor.url).respond(json=dict(vendor.good))
    token = await asked(tokens, vendor)
    assert token.value == vendor.good["access_token"]
    assert token.granted == vendor.granted
    assert token.expires_at == (clock.now + vendor.life if vendor.life else None)
    assert memory.rows[WHERE].fields["refresh_token"] == vendor.refresh
    assert memory.rows[WHERE].fields.get("root") == vendor.good.get("instance_url")


@respx.mock
async def test_the_vendors_refusal_is_one(vendor: Vendor, tokens: Tokens) -> None:
    route = respx.post(vendor.url).mock(return_value=vendor.refusal)
    for _ in range(2):
        with pytest.raises(ConnectionUnhealthy, match="expired, was used or was revoked") as refused:
            await asked(tokens, vendor)
        assert "secret" not in f"{refused.value} {refused.value.hint}"
    assert route.call_count == 1


@respx.mock
async def test_a_limit_spends_no_refresh_token(vendor: Vendor, tokens: Tokens, memory: MemoryStore) -> None:
    respx.post(vendor.url).respond(429, headers={"retry-after": "5"})
    with pytest.raises(UpstreamQuota):
        await asked(tokens, vendor)
    assert memory.rows[WHERE].fields["refresh_token"] == "r1-secret"
    respx.post(vendor.url).respond(json=dict(vendor.good))
    assert (await asked(tokens, vendor)).value == vendor.good["access_token"]


@respx.mock
@pytest.mark.parametrize("what", ["no access token", "a page", "an odd kind", "huge", "a redirect", "cut off"])
async def test_an_answer_that_cannot_be_read_gives_no_token(
    vendor: Vendor, tokens: Tokens, memory: MemoryStore, what: str
) -> None:
    answers = {
        "no access token": httpx.Response(200, json={**vendor.good, "access_token": None}),
        "a page": httpx.Response(200, html="<html>Maintenance</html>"),
        "an odd kind": httpx.Response(200, json={**vendor.good, "token_type": "mac"}),
        "huge": httpx.Response(200, json={**vendor.good, "more": "x" * 300_000}),
        "a redirect": httpx.Response(302, headers={"location": "https://evil.example"}),
        "cut off": httpx.Response(200, content=b'{"access_token": "ne'),
    }
    respx.post(vendor.url).mock(return_value=answers[what])
    forgiving = not vendor.method.single_use_refresh or vendor.method.refresh_grace is not None
    with pytest.raises(UpstreamUnavailable if forgiving else ConnectionUnhealthy):
        await asked(tokens, vendor)
    assert memory.rows[WHERE].fields["access_token"] == "old-secret"


@respx.mock
@pytest.mark.parametrize(
    "named", [{"instance_url": "https://acme.my.salesforce.com.evil.example"}, {"iss": "https://evil.example"}]
)
async def test_a_refresh_that_names_a_foreign_host_is_not_used_and_can_still_be_revoked(
    tokens: Tokens, memory: MemoryStore, clock: Clock, named: dict[str, str]
) -> None:
    org = VENDORS["salesforce"]
    memory.keep("oauth", access_token="old", refresh_token="r1", client_id="id", expires_at=clock.now.isoformat())
    route = respx.post(org.url).respond(json={**org.good, "refresh_token": "r2", **named})
    for _ in range(2):
        with pytest.raises(ConnectionUnhealthy, match=r"does not declare|another issuer"):
            await asked(tokens, org)
    kept = memory.rows[WHERE].fields
    assert (kept["access_token"], kept["refresh_token"]) == ("old", "r2")
    assert "root" not in kept
    assert route.call_count == 1


@respx.mock
async def test_a_host_that_moved_within_the_vendor_is_kept_with_the_token(
    tokens: Tokens, memory: MemoryStore, clock: Clock
) -> None:
    org = VENDORS["salesforce"]
    memory.keep("oauth", access_token="old", refresh_token="r1", client_id="id", expires_at=clock.now.isoformat())
    respx.post(org.url).respond(json={**org.good, "instance_url": "https://acme2.my.salesforce.com"})
    assert (await asked(tokens, org)).root == "https://acme2.my.salesforce.com"
    assert memory.rows[WHERE].fields["root"] == "https://acme2.my.salesforce.com"
