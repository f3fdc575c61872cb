"""What the simulated GitHub keeps and refuses: it is stateful, and a repeat without an effect is none."""

from typing import Any

import pytest

from connectors.github.simulator import GitHubSimulator
from connectors.github.simulator.terms import Terms, Unreadable

WEB = {"owner": "acme", "repo": "web"}
TOKEN = {"authorization": "token ghp_sandbox"}


async def send(session: Any, simulator: GitHubSimulator, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = simulator.url + path
    async with session.request(method, url, json=body, headers=TOKEN, allow_redirects=False) as answer:
        return answer.status, await answer.json() if answer.content_type == "application/json" else None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/issues/1/labels", {"labels": ["bug"]}),
        ("POST", "/issues/1/assignees", {"assignees": ["hubert"]}),
        ("POST", "/issues/1/assignees", {"assignees": ["nobody"]}),
        ("DELETE", "/issues/1/assignees", {"assignees": ["octavia"]}),
        ("PATCH", "/issues/1", {"title": "Welcome", "state": "open"}),
        ("DELETE", "/issues/1/lock", None),
    ],
)
async def test_what_changes_nothing_is_no_effect(
    method: str, path: str, body: Any, simulator: GitHubSimulator, session: Any, arrange: Any
) -> None:
    arrange(simulator)

    status, _ = await send(session, simulator, method, f"/repos/acme/web{path}", body)

    assert status < 300
    assert simulator.applied == []


@pytest.mark.parametrize(
    ("path", "again"),
    [("/issues/comments/{comment}", 404), ("/git/refs/heads/old/stuff", 422), ("/labels/bug", 404)],
)
async def test_a_second_delete_is_refused_and_no_effect(
    path: str, again: int, simulator: GitHubSimulator, session: Any, arrange: Any
) -> None:
    comment = arrange(simulator)["github.comment.delete"]["comment_id"]
    url = f"/repos/acme/web{path.format(comment=comment)}"

    statuses = [(await send(session, simulator, "DELETE", url))[0] for _ in range(2)]

    assert statuses == [204, again]
    assert len(simulator.applied) == 1


async def test_a_write_is_read_at_once_in_lists_and_in_searches(simulator: GitHubSimulator, driver: Any) -> None:
    made = await driver.run("github.issue.create", {**WEB, "title": "Sudden", "labels": ["new one"]})

    listed = await driver.run("github.issue.list", {**WEB, "labels": ["new one"]})
    found = await driver.run("github.issue.search", {"q": "sudden"})

    assert [issue.number for issue in listed.items] == [issue.number for issue in found.items] == [made.number]


async def test_a_file_is_replaced_only_by_naming_the_blob_that_it_holds(
    simulator: GitHubSimulator, session: Any
) -> None:
    path = "/repos/acme/web/contents/README.md"
    now = (await send(session, simulator, "GET", path))[1]["sha"]
    new = {"message": "m", "content": "eA=="}

    unnamed = await send(session, simulator, "PUT", path, new)
    stale = await send(session, simulator, "PUT", path, {**new, "sha": "0" * 40})
    right = await send(session, simulator, "PUT", path, {**new, "sha": now})
    repeated = await send(session, simulator, "PUT", path, {**new, "sha": now})

    assert [unnamed[0], stale[0], right[0], repeated[0]] == [422, 409, 200, 409]
    assert len(simulator.applied) == 1


async def test_a_pull_request_in_conflict_or_merged_cannot_be_merged(
    simulator: GitHubSimulator, session: Any, arrange: Any
) -> None:
    given = arrange(simulator)["github.pull.merge"]
    path = f"/repos/acme/web/pulls/{given['number']}"
    merge = f"{path}/merge"

    moved = await send(session, simulator, "PUT", merge, {"sha": "0" * 40})
    merged = await send(session, simulator, "PUT", merge, {"sha": given["sha"]})
    again = await send(session, simulator, "PUT", merge, {"sha": given["sha"]})
    _, shown = await send(session, simulator, "GET", path)
    _, file = await send(session, simulator, "GET", "/repos/acme/web/contents/feature.txt")

    assert [moved[0], merged[0], again[0]] == [409, 200, 405]
    assert (shown["merged"], shown["state"], shown["merge_commit_sha"]) == (True, "closed", merged[1]["sha"])
    assert file["name"] == "feature.txt"
    assert len(simulator.applied) == 1


async def test_both_sides_of_a_pull_request_changing_a_file_is_a_conflict(
    simulator: GitHubSimulator, session: Any, arrange: Any
) -> None:
    number = arrange(simulator)["github.pull.get"]["number"]
    body = {"message": "m", "content": "eA==", "branch": "main"}
    await send(session, simulator, "PUT", "/repos/acme/web/contents/feature.txt", body)

    _, shown = await send(session, simulator, "GET", f"/repos/acme/web/pulls/{number}")
    status, _ = await send(session, simulator, "PUT", f"/repos/acme/web/pulls/{number}/merge", {})

    assert (shown["mergeable"], shown["mergeable_state"], status) == (False, "dirty", 405)


async def test_a_second_pull_request_for_the_same_branches_is_refused(
    simulator: GitHubSimulator, driver: Any, session: Any, arrange: Any
) -> None:
    given = arrange(simulator)["github.pull.create"]
    await driver.run("github.pull.create", given)
    body = {"title": "x", "head": given["head"], "base": given["base"]}

    status, refused = await send(session, simulator, "POST", "/repos/acme/web/pulls", body)

    assert status == 422
    assert refused["errors"][0]["message"] == "A pull request already exists for acme:next."


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
async def test_a_renamed_repository_answers_where_it_is_now(
    prefix: str, simulator: GitHubSimulator, session: Any
) -> None:
    await send(session, simulator, "PATCH", f"{prefix}/repos/acme/web", {"name": "shop"})

    async with session.get(f"{simulator.url}{prefix}/repos/acme/web", headers=TOKEN, allow_redirects=False) as answer:
        location = answer.headers["location"]
        assert answer.status == 301
    async with session.get(location, headers=TOKEN) as answer:
        assert (await answer.json())["full_name"] == "acme/shop"


async def test_an_answer_that_has_not_changed_is_not_sent_again(simulator: GitHubSimulator, session: Any) -> None:
    url = f"{simulator.url}/repos/acme/web"
    async with session.get(url, headers=TOKEN) as answer:
        tag = answer.headers["etag"]

    async with session.get(url, headers={**TOKEN, "if-none-match": tag}) as answer:
        assert answer.status == 304


async def test_a_body_that_cannot_be_read_is_a_bad_request(simulator: GitHubSimulator, session: Any) -> None:
    url = f"{simulator.url}/repos/acme/web/issues"

    for body in (b"{", b"7"):
        async with session.post(url, data=body, headers=TOKEN) as answer:
            assert answer.status == 400
    async with session.post(url, json={"title": ""}, headers=TOKEN) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["code"]) == (422, "missing_field")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("a b", True),
        ("a c", False),
        ("a OR c", True),
        ("c OR (a b)", True),
        ("(a OR c) b", True),
        ("NOT c", True),
        ("-a", False),
        ('"a b"', True),
        ('"b a"', False),
        ("kind:x a", True),
        ('kind:"x y"', False),
        ("a AND b", True),
        ("", True),
    ],
)
def test_the_search_language_is_read_as_github_documents_it(query: str, found: bool) -> None:
    text = "a b"
    terms = Terms[str](query, lambda name, value: lambda item: value == "x" if name else value in item)

    assert terms.test()(text) == found


@pytest.mark.parametrize("query", ["(a", "a)", ")"])
def test_a_query_with_open_brackets_cannot_be_read(query: str) -> None:
    with pytest.raises(Unreadable):
        Terms[str](query, lambda _name, _value: lambda _item: True).test()
