"""Issues; pull requests are among them. Shape: `issue`."""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.github.simulator import labels
from connectors.github.simulator.ask import Ask, Site, needed, text_of, time_of
from connectors.github.simulator.refusals import forbidden, invalid, refusal
from connectors.github.simulator.render import Json, maybe_user, node, repo_page, repo_url, stamp, user, when
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Issue, Milestone, Owner, Repository
from connectors.sdk.simulator import Answer

MAX_BODY = 65_536
_REASONS = {"completed", "not_planned", "duplicate", "reopened"}
_SORT: dict[str, Callable[[Issue], tuple[float, int]]] = {
    "created": lambda issue: (issue.created_at, issue.id),
    "updated": lambda issue: (issue.updated_at, issue.id),
    "comments": lambda issue: (float(len(issue.comments)), issue.id),
}


def shown(issue: Issue, repository: Repository, site: Site) -> Json:
    """Return an `issue`."""
    url = f"{repo_url(repository, site)}/issues/{issue.number}"
    page = f"{repo_page(repository, site)}/{'pull' if issue.pull else 'issues'}/{issue.number}"
    return {
        "id": issue.id,
        "node_id": node("Issue", issue.id),
        "number": issue.number,
        "url": url,
        "repository_url": repo_url(repository, site),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": page,
        "title": issue.title,
        "body": issue.body,
        "user": user(issue.user, site),
        "labels": [labels.shown(label, repository, site) for label in issue.labels],
        "state": issue.state,
        "state_reason": issue.state_reason,
        "locked": issue.locked,
        "active_lock_reason": issue.lock_reason,
        "assignee": maybe_user(issue.assignees[0] if issue.assignees else None, site),
        "assignees": [user(owner, site) for owner in issue.assignees],
        "milestone": milestone(issue.milestone, repository, site),
        "comments": len(issue.comments),
        "created_at": stamp(issue.created_at),
        "updated_at": stamp(issue.updated_at),
        "closed_at": when(issue.closed_at),
        "closed_by": maybe_user(issue.closed_by, site),
        "author_association": "MEMBER",
        **_pull_links(issue, repository, site, page),
    }


def _pull_links(issue: Issue, repository: Repository, site: Site, page: str) -> Json:
    if issue.pull is None:
        return {}
    links = {
        "url": f"{repo_url(repository, site)}/pulls/{issue.number}",
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "merged_at": when(issue.pull.merged_at),
    }
    return {"pull_request": links, "draft": issue.pull.draft}


def milestone(found: Milestone | None, repository: Repository, site: Site) -> Json | None:
    """Return a `nullable-milestone`."""
    if found is None:
        return None
    url = f"{repo_url(repository, site)}/milestones/{found.number}"
    return {
        "url": url,
        "html_url": f"{repo_page(repository, site)}/milestone/{found.number}",
        "labels_url": f"{url}/labels",
        "id": found.id,
        "node_id": node("Milestone", found.id),
        "number": found.number,
        "state": "open",
        "title": found.title,
        "description": None,
        "creator": user(found.creator, site),
        "open_issues": 0,
        "closed_issues": 0,
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.created_at),
        "closed_at": None,
        "due_on": None,
    }


def list_issues(ask: Ask) -> Answer:
    """GET .../issues."""
    repository, query = ask.repository(), ask.query
    _check_enabled(repository)
    for name, known in (("state", {"open", "closed", "all"}), ("sort", set(_SORT)), ("direction", {"asc", "desc"})):
        if name in query and query[name] not in known:
            raise invalid("Issue", name, "invalid")
    since = time_of(query["since"], "Issue", "since") if query.get("since") else 0.0
    found = [i for i in repository.issues.values() if int(i.updated_at) >= since and _wanted(i, query)]
    found.sort(key=_SORT[query.get("sort", "created")], reverse=query.get("direction", "desc") == "desc")
    return ask.page(found, lambda issue: shown(issue, repository, ask.site))


def _wanted(issue: Issue, query: Mapping[str, str]) -> bool:
    state = query.get("state", "open")
    if state not in {"all", issue.state}:
        return False
    names = {label.name.lower() for label in issue.labels}
    if any(label.strip().lower() not in names for label in filter(None, query.get("labels", "").split(","))):
        return False
    creator = query.get("creator")
    if creator and issue.user.login.lower() != creator.lower():
        return False
    return _assigned(issue, query.get("assignee")) and _in_milestone(issue, query.get("milestone"))


def _assigned(issue: Issue, assignee: str | None) -> bool:
    if assignee in {None, "", "*"}:
        return assignee != "*" or bool(issue.assignees)
    if assignee == "none":
        return not issue.assignees
    return any(owner.login.lower() == (assignee or "").lower() for owner in issue.assignees)


def _in_milestone(issue: Issue, wanted: str | None) -> bool:
    if wanted in {None, "", "*"}:
        return wanted != "*" or issue.milestone is not None
    number = str(issue.milestone.number) if issue.milestone else "none"
    return number == wanted


def get_issue(ask: Ask) -> Answer:
    """GET .../issues/{issue_number}."""
    repository = ask.repository()
    return Answer.of(shown(ask.issue(repository), repository, ask.site))


def create_issue(ask: Ask) -> Answer:
    """POST .../issues."""
    repository, fields = ask.repository(), ask.fields()
    _check_enabled(repository)
    if repository.archived:
        raise forbidden("Repository was archived so is read-only.")
    title, body = needed(fields, "title", "Issue"), _body(fields)
    chosen = _milestone(repository, fields.get("milestone"))
    names = labels.named(ask, repository, fields.get("labels") or [])
    owners = assignable(ask, repository, fields.get("assignees") or [], strict=True)
    issue = Issue(ask.world.next_id(), next(repository.numbers), ask.user, title, body, ask.now, ask.now)
    issue.labels, issue.assignees, issue.milestone = names, owners, chosen
    repository.issues[issue.number] = issue
    repository.open_issues += 1
    return ask.applied(shown(issue, repository, ask.site), 201)


def update_issue(ask: Ask) -> Answer:
    """PATCH .../issues/{issue_number}."""
    repository, fields = ask.repository(), ask.fields()
    issue = ask.issue(repository)
    before = shown(issue, repository, ask.site)
    title = needed(fields, "title", "Issue") if fields.get("title") is not None else issue.title
    body = _body(fields) if "body" in fields else issue.body
    chosen = _milestone(repository, fields["milestone"]) if "milestone" in fields else issue.milestone
    if "assignees" in fields:
        issue.assignees = assignable(ask, repository, fields["assignees"] or [], strict=True)
    if fields.get("labels") is not None:
        issue.labels = labels.named(ask, repository, fields["labels"])
    set_state(ask, repository, issue, fields)
    issue.title, issue.body, issue.milestone = title, body, chosen
    if shown(issue, repository, ask.site) != before:
        issue.updated_at = ask.now
        ask.call.applied()
    return Answer.of(shown(issue, repository, ask.site))


def set_state(ask: Ask, repository: Repository, issue: Issue, fields: Mapping[str, Any]) -> None:
    """Open or close. Raises 422 for an unknown state."""
    state, reason = fields.get("state"), fields.get("state_reason")
    if reason is not None and reason not in _REASONS:
        raise invalid("Issue", "state_reason", "invalid")
    if state is None or state == issue.state:
        return
    if state not in {"open", "closed"}:
        raise invalid("Issue", "state", "invalid")
    if issue.pull is not None and issue.pull.merged_at is not None:
        raise invalid("PullRequest", "state", "invalid", "state cannot be changed. The pull request was merged.")
    closing = state == "closed"
    issue.state = "closed" if closing else "open"
    issue.state_reason = (reason or "completed") if closing else "reopened"
    issue.closed_at, issue.closed_by = (ask.now, ask.user) if closing else (None, None)
    repository.open_issues += -1 if closing else 1


def lock_issue(ask: Ask) -> Answer:
    """PUT .../issues/{issue_number}/lock."""
    issue = ask.issue(ask.repository())
    reason = text_of(ask.fields(), "lock_reason", "Issue")
    if reason not in {None, "off-topic", "too heated", "resolved", "spam"}:
        raise invalid("Issue", "lock_reason", "invalid")
    return _set_lock(ask, issue, locked=True, reason=reason)


def unlock_issue(ask: Ask) -> Answer:
    """DELETE .../issues/{issue_number}/lock."""
    return _set_lock(ask, ask.issue(ask.repository()), locked=False, reason=None)


def _set_lock(ask: Ask, issue: Issue, *, locked: bool, reason: str | None) -> Answer:
    if (issue.locked, issue.lock_reason) != (locked, reason):
        issue.locked, issue.lock_reason = locked, reason
        ask.call.applied()
    return Answer(204)


def add_assignees(ask: Ask) -> Answer:
    """POST .../issues/{issue_number}/assignees. Users who cannot be assigned are dropped without a word."""
    repository = ask.repository()
    issue = ask.issue(repository)
    given = assignable(ask, repository, ask.fields().get("assignees") or [], strict=False)
    return _assign(ask, repository, issue, [*issue.assignees, *(o for o in given if o not in issue.assignees)], 201)


def remove_assignees(ask: Ask) -> Answer:
    """DELETE .../issues/{issue_number}/assignees."""
    repository = ask.repository()
    issue = ask.issue(repository)
    gone = {str(login).lower() for login in ask.fields().get("assignees") or []}
    return _assign(ask, repository, issue, [o for o in issue.assignees if o.login.lower() not in gone], 200)


def _assign(ask: Ask, repository: Repository, issue: Issue, owners: list[Owner], status: int) -> Answer:
    if owners != issue.assignees:
        issue.assignees, issue.updated_at = owners[:10], ask.now
        ask.call.applied()
    return Answer.of(shown(issue, repository, ask.site), status)


def assignable(ask: Ask, repository: Repository, logins: object, *, strict: bool) -> list[Owner]:
    """Return the members of the repository's owner among `logins`. Strictly, another one is a 422."""
    if not isinstance(logins, list):
        raise invalid("Issue", "assignees", "invalid")
    owner = repository.owner.login.lower()
    allowed = {*ask.world.members.get(owner, {}), owner}
    found: dict[str, Owner] = {}
    for login in logins:
        name = str(login).lower()
        if name in allowed and ask.world.owners[name].kind == "User":
            found[name] = ask.world.owners[name]
        elif strict:
            raise invalid("Issue", "assignees", "invalid", f"Could not resolve to a User with the login of {login}.")
    return list(found.values())


def _milestone(repository: Repository, number: object) -> Milestone | None:
    if number is None:
        return None
    text = str(number)
    found = repository.milestones.get(int(text)) if text.isdigit() else None
    if found is None:
        raise invalid("Issue", "milestone", "invalid")
    return found


def _body(fields: Mapping[str, Any]) -> str | None:
    body = text_of(fields, "body", "Issue")
    if body is not None and len(body) > MAX_BODY:
        raise invalid("Issue", "body", "custom", f"body is too long (maximum is {MAX_BODY} characters)")
    return body


def _check_enabled(repository: Repository) -> None:
    if not repository.has_issues:
        raise refusal(410, "Issues has been disabled in this repository.")


_REPO = "/repos/{owner}/{repo}/issues"
_ONE = f"{_REPO}/{{issue_number}}"
ROUTES = (
    Route("GET", _REPO, list_issues, "issues:read"),
    Route("POST", _REPO, create_issue, "issues:write"),
    Route("GET", _ONE, get_issue, "issues:read"),
    Route("PATCH", _ONE, update_issue, "issues:write"),
    Route("PUT", f"{_ONE}/lock", lock_issue, "issues:write"),
    Route("DELETE", f"{_ONE}/lock", unlock_issue, "issues:write"),
    Route("POST", f"{_ONE}/assignees", add_assignees, "issues:write"),
    Route("DELETE", f"{_ONE}/assignees", remove_assignees, "issues:write"),
)
