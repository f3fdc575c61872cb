"""The Python SDK `jira` against the simulator: it creates, reads, searches, pages and fails as on Jira Cloud."""

import asyncio
import io
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import trustme
from jira import JIRA
from jira.exceptions import JIRAError

from connectors.jira.simulator import JiraSimulator, Limits
from connectors.jira.simulator.access import CLOUD_ID
from connectors.jira.simulator.seed import ANA


def client(root: str, **options: Any) -> JIRA:
    return JIRA(
        server=root,
        basic_auth=("agent@acme.example", options.pop("token", "jira_sandbox")),
        max_retries=0,
        options={"rest_api_version": options.pop("version", "2"), "check_update": False, **options},
    )


async def test_it_opens_reads_comments_assigns_and_closes_an_issue(simulator: JiraSimulator) -> None:
    def work() -> tuple[str, str, list[str], str]:
        hub = client(simulator.url)
        fields = {"project": "OPS", "summary": "Broken", "description": "See below", "issuetype": {"name": "Bug"}}
        made = hub.create_issue(fields=fields)
        hub.add_comment(made, "Me too")
        hub.assign_issue(made, "Ana Ortiz")
        made.update(fields={"summary": "Very broken", "labels": ["urgent"]})
        hub.transition_issue(made, "Finish")
        read = hub.issue(made.key)
        texts = [comment.body for comment in hub.comments(made)]
        return read.fields.summary, read.fields.assignee.displayName, texts, read.fields.status.name

    assert await asyncio.to_thread(work) == ("Very broken", ANA.name, ["Me too"], "Done")
    assert [effect.method for effect in simulator.applied] == ["POST", "POST", "PUT", "PUT", "POST"]


async def test_it_pages_through_a_search(simulator: JiraSimulator) -> None:
    def work() -> list[str]:
        hub = client(simulator.url)
        for number in range(5):
            hub.create_issue(fields={"project": "WEB", "summary": f"Number {number}", "issuetype": {"name": "Task"}})
        found: list[str] = []
        token = None
        while True:
            page: Any = hub.enhanced_search_issues(
                "project = WEB ORDER BY key DESC", maxResults=2, fields="summary", nextPageToken=token
            )
            found += [issue.key for issue in page]
            token = page.nextPageToken
            if not token:
                return found

    assert await asyncio.to_thread(work) == [f"WEB-{number}" for number in range(6, 0, -1)]


async def test_it_reads_all_of_a_search_at_once(simulator: JiraSimulator) -> None:
    def work() -> list[str]:
        hub = client(simulator.url)
        found: Any = hub.enhanced_search_issues('text ~ "certificates" OR status = "In Progress"', maxResults=0)
        return sorted(issue.key for issue in found)

    assert await asyncio.to_thread(work) == ["OPS-1", "OPS-2"]


async def test_it_attaches_links_watches_and_logs_work(simulator: JiraSimulator) -> None:
    def work() -> tuple[bytes, list[str], int, list[int]]:
        hub = client(simulator.url)
        hub.add_attachment("OPS-1", io.BytesIO(b"\x00bytes"), filename="a.bin")
        hub.create_issue_link("Blocks", "OPS-1", "OPS-2")
        hub.add_watcher("OPS-1", "Ana Ortiz")
        hub.add_worklog("OPS-1", timeSpentSeconds=120)
        read = hub.issue("OPS-1")
        links = [link.outwardIssue.key for link in read.fields.issuelinks]
        spent = [log.timeSpentSeconds for log in hub.worklogs("OPS-1")]
        return read.fields.attachment[0].get(), links, hub.watchers("OPS-1").watchCount, spent

    assert await asyncio.to_thread(work) == (b"\x00bytes", ["OPS-2"], 1, [120])


async def test_it_reads_projects_people_and_types_of_links(simulator: JiraSimulator) -> None:
    def work() -> tuple[list[str], str, list[str], list[str]]:
        hub = client(simulator.url, version="3")
        people = hub.search_users(query="ana")
        return (
            [project.key for project in hub.projects()],
            hub.myself()["displayName"],
            [person.displayName for person in people],
            [kind.name for kind in hub.issue_link_types()],
        )

    assert await asyncio.to_thread(work) == (["OPS", "WEB"], "Agent", [ANA.name], ["Blocks", "Relates"])


@pytest.mark.parametrize(
    ("work", "status"),
    [
        (lambda hub: hub.issue("OPS-999"), 404),
        (lambda hub: hub.project("NONE"), 404),
        (lambda hub: hub.enhanced_search_issues("nonsense = 1"), 400),
        (lambda hub: hub.enhanced_search_issues("order by created"), 400),
        (lambda hub: hub.create_issue(fields={"project": "OPS", "summary": "x", "issuetype": {"name": "Poem"}}), 400),
        (lambda hub: hub.transition_issue("OPS-1", "11"), 400),
    ],
)
async def test_it_fails_as_jira_fails(simulator: JiraSimulator, work: Callable[[JIRA], object], status: int) -> None:
    with pytest.raises(JIRAError) as caught:
        await asyncio.to_thread(lambda: work(client(simulator.url)))

    assert caught.value.status_code == status
    assert caught.value.text
    assert simulator.applied == []


async def test_a_wrong_token_is_refused(simulator: JiraSimulator) -> None:
    with pytest.raises(JIRAError) as caught:
        await asyncio.to_thread(lambda: client(simulator.url, token="wrong").myself())

    assert caught.value.status_code == 401


async def test_a_used_up_limit_is_an_error_of_status_429() -> None:
    simulator = JiraSimulator(clock=lambda: 1_000_000.0, limits=Limits(burst=2))
    url = await simulator.start()

    def work() -> None:
        hub = client(url)
        for _ in range(3):
            hub.issue("OPS-1")

    try:
        with pytest.raises(JIRAError) as caught:
            await asyncio.to_thread(work)
    finally:
        await simulator.stop()

    assert caught.value.status_code == 429


async def test_it_talks_tls_at_the_gateways_root_to_a_simulator_with_a_certificate_of_a_test_authority(
    tmp_path: Any,
) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(served)
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    simulator = JiraSimulator(ssl_context=served)
    url = await simulator.start()

    def work() -> str:
        hub = JIRA(
            server=f"{url}/ex/jira/{CLOUD_ID}",
            token_auth="jira_sandbox",
            max_retries=0,
            options={"verify": str(bundle), "check_update": False},
        )
        name: str = hub.myself()["displayName"]
        return name

    try:
        name = await asyncio.to_thread(work)
    finally:
        await simulator.stop()

    assert url.startswith("https://127.0.0.1:")
    assert name == "Agent"


async def test_a_refreshed_token_reads_through_the_sdk(simulator: JiraSimulator) -> None:
    given = simulator.consent().credential
    form = {
        "grant_type": "refresh_token",
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "refresh_token": given["refresh_token"],
    }

    def work() -> tuple[str, str]:
        answer = requests.post(f"{simulator.url}/oauth/token", json=form, timeout=10)
        assert answer.status_code == 200, answer.text
        renewed = answer.json()
        root = f"{simulator.url}/ex/jira/{CLOUD_ID}"
        hub = JIRA(server=root, token_auth=renewed["access_token"], max_retries=0, options={"check_update": False})
        made = hub.create_issue(fields={"project": "OPS", "summary": "Renewed", "issuetype": {"name": "Bug"}})
        return renewed["refresh_token"], hub.issue(made.key).fields.summary

    refresh_token, summary = await asyncio.to_thread(work)
    assert summary == "Renewed"
    assert refresh_token != given["refresh_token"]
