"""simple-salesforce, a client of others, against the simulator over TLS: it writes, reads, pages, logs in and fails."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceError,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql
from simple_salesforce.login import token_login

from connectors.salesforce.simulator import Limits, OAuthApp, SalesforceSimulator
from connectors.salesforce.simulator.seed import add

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
APP = OAuthApp("gate", "hush", "https://gate.example/back", certificate=PUBLIC.decode(), runs_as="agent@acme.example")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def vendor(authority: trustme.CA) -> AsyncIterator[SalesforceSimulator]:
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    made = SalesforceSimulator(ssl_context=served, apps=[APP])
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def web(authority: trustme.CA, tmp_path: Path) -> Any:
    """Yield a session that trusts the authority."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    session = requests.Session()
    session.verify, session.trust_env = str(bundle), False
    yield session
    session.close()


@pytest.fixture
def client(vendor: SalesforceSimulator, web: requests.Session) -> Callable[..., Salesforce]:
    def make(token: str = "salesforce_sandbox", version: str = "67.0") -> Salesforce:
        return Salesforce(instance_url=vendor.url, session_id=token, session=web, version=version)

    return make


async def test_it_creates_reads_changes_upserts_and_deletes_a_record(vendor: SalesforceSimulator, client: Any) -> None:
    def work() -> tuple[Any, ...]:
        api = client()
        made = api.Contact.create({"LastName": "Okafor", "Email": "o@x.example"})
        statuses = [
            api.Contact.update(made["id"], {"Title": "CTO"}),
            api.Contact.upsert("Gateway_Key__c/c-1", {"LastName": "New"}),
            api.Contact.upsert("Gateway_Key__c/c-1", {"LastName": "Newer"}),
        ]
        read = api.Contact.get(made["id"])
        by_key = api.Contact.get_by_custom_id("Gateway_Key__c", "c-1")
        return made["success"], statuses, read["Title"], by_key["LastName"], api.Contact.delete(made["id"])

    assert await asyncio.to_thread(work) == (True, [204, 201, 200], "CTO", "Newer", 204)
    assert [effect.method for effect in vendor.applied] == ["POST", "PATCH", "PATCH", "PATCH", "DELETE"]


async def test_it_writes_a_custom_object_and_describes_it(client: Any) -> None:
    def work() -> tuple[Any, Any, bool]:
        api = client()
        made = api.Invoice__c.create({"Name": "INV-9", "Amount__c": 12.5, "Region__c": "South", "Paid__c": True})
        fields = {one["name"]: one for one in api.Invoice__c.describe()["fields"]}
        names = {one["name"] for one in api.describe()["sobjects"]}
        region = [value["value"] for value in fields["Region__c"]["picklistValues"]]
        return api.Invoice__c.get(made["id"])["Amount__c"], region, "Invoice__c" in names

    assert await asyncio.to_thread(work) == (12.5, ["North", "South"], True)


async def test_it_pages_through_a_query(vendor: SalesforceSimulator, client: Any) -> None:
    for number in range(450):
        add(vendor.world, "Lead", 0, LastName=f"Bulk {number:03d}", Company="Hooli")
    headers = {"Sforce-Query-Options": "batchSize=200"}

    def work() -> tuple[int, list[str], bool]:
        api = client()
        soql = format_soql("SELECT LastName FROM Lead WHERE LastName LIKE '{:like}%' ORDER BY LastName", "Bulk ")
        first = api.query(soql, headers=headers)
        names = [one["LastName"] for one in first["records"]]
        page = first
        while not page["done"]:
            page = api.query_more(page["nextRecordsUrl"], identifier_is_url=True, headers=headers)
            names += [one["LastName"] for one in page["records"]]
        everything = api.query_all("SELECT Id FROM Lead")
        return first["totalSize"], names, everything["totalSize"] == len(everything["records"]) > 450

    total, names, whole = await asyncio.to_thread(work)

    assert (total, whole) == (450, True)
    assert names == [f"Bulk {number:03d}" for number in range(450)]


async def test_its_quoting_is_understood_as_ours_is(vendor: SalesforceSimulator, client: Any) -> None:
    name = 'it\'s a "test"\\ 50% _'
    add(vendor.world, "Account", 0, Name=name)

    def work() -> list[int]:
        api = client()
        queries = (
            format_soql("SELECT Id FROM Account WHERE Name = {}", name),
            format_soql("SELECT Id FROM Account WHERE Name LIKE '%{:like}'", "50% _"),
            format_soql("SELECT Id FROM Account WHERE Name IN {}", [name, "x"]),
        )
        return [api.query(soql)["totalSize"] for soql in queries]

    assert await asyncio.to_thread(work) == [1, 1, 1]


async def test_it_reads_limits_and_its_usage(client: Any) -> None:
    def work() -> tuple[bool, int]:
        api = client()
        return "DailyApiRequests" in api.limits(), api.api_usage["api-usage"].used

    assert await asyncio.to_thread(work) == (True, 1)


@pytest.mark.parametrize(
    ("work", "error", "code"),
    [
        (lambda api: api.Account.get("001000000000001AAA"), SalesforceResourceNotFound, "NOT_FOUND"),
        (lambda api: api.Account.get("short"), SalesforceMalformedRequest, "MALFORMED_ID"),
        (lambda api: api.Nothing__c.describe(), SalesforceResourceNotFound, "NOT_FOUND"),
        (lambda api: api.Account.create({}), SalesforceMalformedRequest, "REQUIRED_FIELD_MISSING"),
        (lambda api: api.Account.create({"Name": "x", "No__c": 1}), SalesforceMalformedRequest, "INVALID_FIELD"),
        (lambda api: api.Account.create({"Name": 7}), SalesforceMalformedRequest, "JSON_PARSER_ERROR"),
        (lambda api: api.query("SELECT Id FROM"), SalesforceMalformedRequest, "MALFORMED_QUERY"),
        (lambda api: api.query("SELECT No FROM Account"), SalesforceMalformedRequest, "INVALID_FIELD"),
        (lambda api: api.query_more("none-200"), SalesforceMalformedRequest, "INVALID_QUERY_LOCATOR"),
    ],
)
async def test_it_fails_as_at_salesforce(
    work: Callable[[Any], object], error: type[SalesforceError], code: str, vendor: SalesforceSimulator, client: Any
) -> None:
    with pytest.raises(error) as caught:
        await asyncio.to_thread(lambda: work(client()))

    content: Any = caught.value.content
    assert content[0]["errorCode"] == code
    assert vendor.applied == []


async def test_an_external_id_of_several_records_lists_them(client: Any) -> None:
    with pytest.raises(SalesforceMoreThanOneRecord) as caught:
        await asyncio.to_thread(lambda: client().Account.get_by_custom_id("Legacy_Id__c", "L-1"))

    content: Any = caught.value.content
    assert len(content) == 2
    assert all(url.startswith("/services/data/v67.0/sobjects/Account/001") for url in content)


async def test_a_wrong_token_is_an_expired_session(client: Any) -> None:
    with pytest.raises(SalesforceExpiredSession):
        await asyncio.to_thread(lambda: client("wrong").limits())


async def test_a_used_up_day_is_a_refused_request(vendor: SalesforceSimulator, client: Any) -> None:
    vendor._limits = Limits(daily=0)
    vendor.seed()

    with pytest.raises(SalesforceRefusedRequest, match="TotalRequests"):
        await asyncio.to_thread(lambda: client().limits())


async def test_a_retired_version_is_gone(client: Any) -> None:
    with pytest.raises(SalesforceError) as caught:
        await asyncio.to_thread(lambda: client(version="30.0").limits())

    assert caught.value.status == 410


async def test_it_logs_in_anew_by_a_signed_assertion_when_its_session_has_ended(
    vendor: SalesforceSimulator, web: requests.Session
) -> None:
    def session() -> tuple[str, str]:
        claims = {
            "iss": "gate",
            "sub": "agent@acme.example",
            "aud": "https://login.salesforce.com",
            "exp": int(time.time()) + 180,
        }
        data = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims, KEY, algorithm="RS256"),
        }
        url = f"{vendor.url}/services/oauth2/token"
        token, instance = token_login(url, data, "login", "gate", None, None, web)
        return str(token), str(instance)

    def work() -> tuple[int, int, bool]:
        token, instance = session()
        api = Salesforce(session_id=token, instance=instance, session=web, version="67.0")
        api._salesforce_login_partial = session
        before = api.query("SELECT Id FROM Account")["totalSize"]
        vendor.access.tokens.pop(token)
        after = api.query("SELECT Id FROM Account")["totalSize"]
        return before, after, api.session_id != token

    assert await asyncio.to_thread(work) == (3, 3, True)


async def test_a_login_that_is_refused_says_why(vendor: SalesforceSimulator, web: requests.Session) -> None:
    data = {"grant_type": "client_credentials", "client_id": "gate", "client_secret": "wrong"}

    with pytest.raises(SalesforceAuthenticationFailed, match="invalid client credentials"):
        await asyncio.to_thread(
            lambda: token_login(f"{vendor.url}/services/oauth2/token", data, "acme", "gate", None, None, web)
        )
