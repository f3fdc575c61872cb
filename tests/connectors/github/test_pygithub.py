"""The vendor's own SDK for Python against the simulator: it creates, reads, searches, pages and fails as on GitHub."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import github as pygithub
import pytest
import trustme

from connectors.github.simulator import GitHubSimulator, Limits


def client(root: str, token: str = "ghp_sandbox", **options: Any) -> pygithub.Github:
    return pygithub.Github(
        base_url=root,
        auth=pygithub.Auth.Token(token),
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        per_page=options.pop("per_page", 30),
        **options,
    )


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
async def test_it_opens_reads_comments_labels_and_closes_an_issue(simulator: GitHubSimulator, prefix: str) -> None:
    def work() -> tuple[str, str, list[str], str]:
        web = client(simulator.url + prefix).get_repo("acme/web")
        made = web.create_issue("Broken", body="See below", labels=["bug"], assignees=["octavia"])
        made.create_comment("Me too")
        made.add_to_labels("documentation")
        read = web.get_issue(made.number)
        texts = [comment.body for comment in read.get_comments()]
        read.edit(state="closed", state_reason="completed")
        return read.title, read.assignees[0].login, texts, web.get_issue(made.number).state

    assert await asyncio.to_thread(work) == ("Broken", "octavia", ["Me too"], "closed")
    assert [effect.method for effect in simulator.applied] == ["POST", "POST", "POST", "PATCH"]


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
async def test_it_pages_through_all_issues(simulator: GitHubSimulator, prefix: str) -> None:
    def work() -> list[int]:
        web = client(simulator.url + prefix, per_page=2).get_repo("acme/web")
        for number in range(5):
            web.create_issue(f"Number {number}")
        return [issue.number for issue in web.get_issues(state="all")]

    assert await asyncio.to_thread(work) == [6, 5, 4, 3, 2, 1]


async def test_it_finds_by_search_what_was_just_written(simulator: GitHubSimulator) -> None:
    def work() -> list[str]:
        hub = client(simulator.url)
        hub.get_repo("acme/web").create_issue("The quick fox")
        hub.get_repo("acme/api").create_issue("The quick fox, too")
        found = hub.search_issues('"quick fox" repo:acme/web is:issue is:open')
        return [issue.title for issue in found]

    assert await asyncio.to_thread(work) == ["The quick fox"]


async def test_it_writes_a_file_on_a_branch_and_merges_it(simulator: GitHubSimulator) -> None:
    def work() -> tuple[bool, bytes, str]:
        web = client(simulator.url).get_repo("acme/web")
        web.create_git_ref("refs/heads/fix", web.get_branch("main").commit.sha)
        web.create_file("fix.txt", "Fix", "text", branch="fix")
        pull = web.create_pull(base="main", head="fix", title="Fix", body="")
        merged = pull.merge(sha=pull.head.sha)
        read: Any = web.get_contents("fix.txt")
        return merged.merged, read.decoded_content, web.get_pull(pull.number).state

    assert await asyncio.to_thread(work) == (True, b"text", "closed")


@pytest.mark.parametrize(
    "work",
    [
        lambda web: web.get_issue(999),
        lambda web: web.get_contents("missing.txt"),
        lambda web: web.get_branch("missing"),
    ],
)
async def test_what_is_absent_is_an_unknown_object(simulator: GitHubSimulator, work: Callable[[Any], object]) -> None:
    with pytest.raises(pygithub.UnknownObjectException) as caught:
        await asyncio.to_thread(lambda: work(client(simulator.url).get_repo("acme/web")))

    assert caught.value.status == 404


async def test_a_refused_value_names_its_field(simulator: GitHubSimulator) -> None:
    with pytest.raises(pygithub.GithubException) as caught:
        await asyncio.to_thread(lambda: client(simulator.url).get_repo("acme/web").create_label("bug", "d73a4a"))

    assert caught.value.status == 422
    assert caught.value.data["errors"] == [{"resource": "Label", "field": "name", "code": "already_exists"}]
    assert simulator.applied == []


async def test_a_wrong_token_is_a_bad_credential(simulator: GitHubSimulator) -> None:
    with pytest.raises(pygithub.BadCredentialsException):
        await asyncio.to_thread(lambda: client(simulator.url, "ghp_wrong").get_user().login)


@pytest.mark.parametrize("status", [403, 429])
async def test_a_used_up_limit_is_a_rate_limit_exception(status: int) -> None:
    simulator = GitHubSimulator(limits=Limits(core=2, status=status))
    await simulator.start()

    def work() -> None:
        hub = client(simulator.url)
        hub.get_repo("acme/web")
        hub.get_repo("acme/api")
        hub.get_repo("globex/site")

    try:
        with pytest.raises(pygithub.GithubException) as caught:
            await asyncio.to_thread(work)
    finally:
        await simulator.stop()

    assert caught.value.status == status
    assert isinstance(caught.value, pygithub.RateLimitExceededException) == (status == 403)


async def test_it_follows_a_renamed_repository(simulator: GitHubSimulator) -> None:
    def work() -> str:
        hub = client(simulator.url)
        hub.get_repo("acme/web").edit(name="shop")
        return hub.get_repo("acme/web").full_name

    assert await asyncio.to_thread(work) == "acme/shop"


async def test_it_talks_tls_to_a_simulator_with_a_certificate_of_a_test_authority(tmp_path: Any) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(served)
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    simulator = GitHubSimulator(ssl_context=served)
    url = await simulator.start()

    try:
        login = await asyncio.to_thread(lambda: client(url, verify=str(bundle)).get_user().login)
    finally:
        await simulator.stop()

    assert url.startswith("https://127.0.0.1:")
    assert login == "acme-bot"
