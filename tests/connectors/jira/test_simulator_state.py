"""The simulated Jira as an application sees it: what is refused, what is applied once, what a text must be."""

from typing import Any

import pytest

from connectors.jira.simulator import JiraSimulator
from connectors.jira.simulator.seed import text
from connectors.sdk.simulate import find

HEADERS = {"authorization": "Bearer jira_sandbox"}


class Site:
    def __init__(self, session: Any, root: str) -> None:
        self._session = session
        self._root = root

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self._root}/rest/api/{path}"
        async with self._session.request(method, url, json=body, headers=HEADERS) as answer:
            kind = answer.headers.get("content-type", "")
            return answer.status, await answer.json() if "json" in kind else await answer.read()


@pytest.fixture
def site(session: Any, simulator: JiraSimulator) -> Site:
    return Site(session, simulator.url)


def test_the_simulator_is_found_by_the_connectors_name() -> None:
    assert find("jira") is JiraSimulator


def bug(**fields: Any) -> dict[str, Any]:
    return {"fields": {"project": {"key": "OPS"}, "issuetype": {"name": "Bug"}, "summary": "x", **fields}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (bug(description="plain"), "description"),
        (bug(description={"type": "doc", "version": 2, "content": []}), "description"),
        (bug(summary=""), "summary"),
        (bug(summary="a\nb"), "summary"),
        (bug(labels=["a b"]), "labels"),
        (bug(labels="a"), "labels"),
        (bug(unknown=1), "unknown"),
        (bug(customfield_10010={"value": "Middling"}), "customfield_10010"),
        (bug(customfield_10012="3"), "customfield_10012"),
        (bug(duedate="tomorrow"), "duedate"),
        (bug(components=[{"name": "Frontend"}]), "components"),
        (bug(parent={"key": "OPS-99"}), "parent"),
        (bug(project={"key": "NONE"}), "project"),
        ({"fields": {"project": {"key": "OPS"}, "summary": "x"}}, "issuetype"),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    body: dict[str, Any], field: str, site: Site, simulator: JiraSimulator
) -> None:
    before = len(simulator.world.issues)

    status, said = await site.ask("POST", "3/issue", body)

    assert (status, list(said["errors"])) == (400, [field])
    assert (len(simulator.world.issues), simulator.applied) == (before, [])


def paragraphs(*blocks: Any) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": list(blocks)}


@pytest.mark.parametrize(
    "document",
    [
        paragraphs({"type": "paragraph", "content": [{"type": "text", "text": ""}]}),
        paragraphs({"type": "text", "text": "loose"}),
        paragraphs({"type": "bulletList", "content": []}),
        paragraphs({"type": "bulletList", "content": [{"type": "paragraph", "content": []}]}),
        paragraphs({"type": "blockquote", "content": [{"type": "heading", "content": []}]}),
        paragraphs(
            {
                "type": "paragraph",
                "content": [{"type": "text", "text": "x", "marks": [{"type": "code"}, {"type": "em"}]}],
            }
        ),
        paragraphs({"type": "paragraph", "content": [{"type": "mention", "attrs": {}}]}),
    ],
)
async def test_a_text_that_the_editor_could_not_show_is_refused(document: Any, site: Site) -> None:
    assert (await site.ask("POST", "3/issue/OPS-1/comment", {"body": document}))[0] == 400


async def test_a_body_that_is_no_json_is_refused(session: Any, simulator: JiraSimulator) -> None:
    url = f"{simulator.url}/rest/api/3/issue"
    async with session.post(url, data=b"{", headers=HEADERS) as answer:
        assert answer.status == 400


async def test_version_2_reads_and_writes_plain_texts_of_the_same_issue(site: Site) -> None:
    await site.ask("POST", "2/issue/OPS-1/comment", {"body": "one\ntwo"})

    _, plain = await site.ask("GET", "2/issue/OPS-1/comment")
    _, rich = await site.ask("GET", "3/issue/OPS-1/comment")

    assert plain["comments"][0]["body"] == "one\ntwo"
    assert [block["type"] for block in rich["comments"][0]["body"]["content"]] == ["paragraph", "paragraph"]


async def test_only_a_step_that_is_open_can_be_taken(site: Site, simulator: JiraSimulator) -> None:
    status, said = await site.ask("POST", "3/issue/OPS-1/transitions", {"transition": {"id": "11"}})

    assert (status, said["errorMessages"]) == (400, ["Transition id '11' is not valid for this issue."])
    assert simulator.applied == []


async def test_a_moved_issue_is_found_under_both_keys_and_answers_with_the_new_one(
    site: Site, simulator: JiraSimulator
) -> None:
    issue = simulator.world.find("OPS-1")
    assert issue is not None
    simulator.world.move(issue, simulator.world.projects["WEB"])

    for key in ("OPS-1", "WEB-2", "ops-1", issue.id):
        status, found = await site.ask("GET", f"3/issue/{key}?fields=project")
        assert (status, found["key"], found["fields"]["project"]["key"]) == (200, "WEB-2", "WEB")


async def test_an_issue_with_subtasks_is_deleted_only_with_them(site: Site, simulator: JiraSimulator) -> None:
    await site.ask("POST", "3/issue", bug(issuetype={"name": "Subtask"}, parent={"key": "OPS-1"}))

    refused, _ = await site.ask("DELETE", "3/issue/OPS-1")
    done, _ = await site.ask("DELETE", "3/issue/OPS-1?deleteSubtasks=true")

    assert (refused, done) == (400, 204)
    assert sorted(issue.key for issue in simulator.world.issues.values()) == ["OPS-2", "WEB-1"]


async def test_the_index_lags_where_it_is_told_to_and_reconciles_known_ids(session: Any) -> None:
    simulator = JiraSimulator(index_lag=3600)
    site = Site(session, await simulator.start())
    try:
        _, made = await site.ask("POST", "3/issue", bug())
        query = {"jql": "summary ~ x", "fields": ["summary"]}
        _, before = await site.ask("POST", "3/search/jql", query)
        _, after = await site.ask("POST", "3/search/jql", {**query, "reconcileIssues": [int(made["id"])]})
    finally:
        await simulator.stop()

    assert before["issues"] == []
    assert [issue["key"] for issue in after["issues"]] == [made["key"]]


@pytest.mark.parametrize(
    ("jql", "keys"),
    [
        ("project = OPS order by key", ["OPS-1", "OPS-2"]),
        ("project in (OPS, WEB) AND NOT status = 'In Progress' ORDER BY key ASC", ["OPS-1", "WEB-1"]),
        ('summary ~ "welcome" OR labels = security ORDER BY key', ["OPS-1", "WEB-1"]),
        ("assignee is EMPTY AND (type = Bug OR project = WEB) ORDER BY key", ["OPS-2", "WEB-1"]),
        ("labels is not empty", ["OPS-1"]),
        ("status in (Done)", []),
        ("statusCategory = new AND project != WEB", ["OPS-1"]),
        ("creator = currentUser()", []),
        ("created >= -1d ORDER BY key DESC", ["WEB-1", "OPS-2", "OPS-1"]),
        ("created < '2020-01-01'", []),
        ("key = ops-1", ["OPS-1"]),
    ],
)
async def test_a_query_finds_what_it_says(jql: str, keys: list[str], site: Site) -> None:
    status, found = await site.ask("POST", "3/search/jql", {"jql": jql, "fields": ["summary"]})

    assert (status, [issue["key"] for issue in found["issues"]]) == (200, keys)


@pytest.mark.parametrize(
    "jql",
    [
        "",
        "order by key",
        "project =",
        "project = NONE",
        "(project = OPS",
        "project = OPS)",
        "poem = 1",
        "project > OPS",
        "project = OPS order by poem",
        "assignee = somebody()",
        'summary ~ "open',
        "created >= soon",
    ],
)
async def test_a_query_that_is_wrong_is_refused(jql: str, site: Site) -> None:
    assert (await site.ask("POST", "3/search/jql", {"jql": jql}))[0] == 400


async def test_a_page_token_belongs_to_its_query(site: Site) -> None:
    _, page = await site.ask("POST", "3/search/jql", {"jql": "project = OPS", "maxResults": 1})
    token = page["nextPageToken"]

    assert (await site.ask("POST", "3/search/jql", {"jql": "project = OPS", "nextPageToken": token}))[0] == 200
    assert (await site.ask("POST", "3/search/jql", {"jql": "project = WEB", "nextPageToken": token}))[0] == 400
    assert (await site.ask("POST", "3/search/jql", {"jql": "project = OPS", "nextPageToken": "x"}))[0] == 400


async def test_an_upload_needs_the_header_against_forged_requests(session: Any, simulator: JiraSimulator) -> None:
    import aiohttp

    form = aiohttp.FormData()
    form.add_field("file", b"x", filename="x.txt")
    url = f"{simulator.url}/rest/api/3/issue/OPS-1/attachments"
    async with session.post(url, data=form, headers=HEADERS) as answer:
        assert answer.status == 403
    assert simulator.applied == []


async def test_an_entity_property_is_what_an_effect_is_known_by(site: Site, simulator: JiraSimulator) -> None:
    body = {"body": text("x"), "properties": [{"key": "request", "value": "42"}]}

    await site.ask("POST", "3/issue/OPS-1/comment", body)
    await site.ask("POST", "3/issue/OPS-1/comment", {"body": text("x")})

    assert [effect.marker for effect in simulator.applied] == ["request:42", None]
