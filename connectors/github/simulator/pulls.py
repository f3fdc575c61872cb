"""Pull requests: the pages of two branches, their merge and who is asked to review. Shape: `pull-request`."""

from connectors.github.simulator import issues
from connectors.github.simulator.ask import Ask, Site, needed, text_of
from connectors.github.simulator.merging import Change, changes, conflicting, merge_base, merged_tree
from connectors.github.simulator.refusals import conflict, invalid, not_found, refusal
from connectors.github.simulator.render import (
    Json,
    full_repository,
    maybe_user,
    node,
    repo_page,
    repo_url,
    user,
    when,
)
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Issue, Pull, Repository
from connectors.sdk.simulator import Answer


def simple(issue: Issue, repository: Repository, site: Site) -> Json:
    """Return a `pull-request-simple`, which lists hold."""
    pull = _pull(issue)
    url = f"{repo_url(repository, site)}/pulls/{issue.number}"
    issue_url = f"{repo_url(repository, site)}/issues/{issue.number}"
    page = f"{repo_page(repository, site)}/pull/{issue.number}"
    statuses = f"{repo_url(repository, site)}/statuses/{pull.head_sha}"
    about = issues.shown(issue, repository, site)
    kept = ("title", "body", "user", "labels", "state", "locked", "active_lock_reason", "assignee", "assignees")
    times = ("milestone", "created_at", "updated_at", "closed_at", "number", "author_association", "draft")
    return {
        **{name: about[name] for name in (*kept, *times)},
        "id": pull.id,
        "node_id": node("PullRequest", pull.id),
        "url": url,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue_url,
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": f"{repo_url(repository, site)}/pulls/comments{{/number}}",
        "comments_url": f"{issue_url}/comments",
        "statuses_url": statuses,
        "merged_at": when(pull.merged_at),
        "merge_commit_sha": pull.merge_sha,
        "requested_reviewers": [user(owner, site) for owner in pull.reviewers],
        "requested_teams": [],
        "head": _end(repository, site, pull.head_ref, _head(repository, pull)),
        "base": _end(repository, site, pull.base_ref, pull.base_sha),
        "_links": _links(url, page, issue_url, statuses, repo_url(repository, site)),
        "auto_merge": None,
    }


def _links(url: str, page: str, issue_url: str, statuses: str, repo: str) -> Json:
    links = {
        "self": url,
        "html": page,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{repo}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": statuses,
    }
    return {name: {"href": href} for name, href in links.items()}


def _end(repository: Repository, site: Site, ref: str, sha: str) -> Json:
    return {
        "label": f"{repository.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user(repository.owner, site),
        "repo": full_repository(repository, site),
    }


def shown(issue: Issue, repository: Repository, site: Site) -> Json:
    """Return a `pull-request`."""
    pull = _pull(issue)
    files = _changes(repository, pull)
    open_now = issue.state == "open"
    mergeable = not conflicting(repository, pull) if open_now else None
    states = {True: "clean", False: "dirty", None: "unknown"}
    return {
        **simple(issue, repository, site),
        "merged": pull.merged_at is not None,
        "merged_by": maybe_user(pull.merged_by, site),
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": "draft" if pull.draft and open_now else states[mergeable],
        "comments": len(issue.comments),
        "review_comments": 0,
        "commits": 1,
        "additions": sum(change.additions for change in files),
        "deletions": sum(change.deletions for change in files),
        "changed_files": len(files),
        "maintainer_can_modify": pull.maintainer_can_modify,
    }


def find(ask: Ask, repository: Repository) -> tuple[Issue, Pull]:
    """Return the pull request of the path. An issue's number is not found here."""
    issue = repository.issues.get(ask.number("pull_number"))
    if issue is None or issue.pull is None:
        raise not_found()
    return issue, issue.pull


def list_pulls(ask: Ask) -> Answer:
    """GET .../pulls."""
    repository, query = ask.repository(), ask.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    found = [
        issue
        for issue in repository.issues.values()
        if issue.pull is not None
        and state in {"all", issue.state}
        and base in {None, "", issue.pull.base_ref}
        and (not head or head.lower() == f"{repository.owner.login}:{issue.pull.head_ref}".lower())
    ]
    newest = query.get("direction", "desc" if query.get("sort", "created") == "created" else "asc") == "desc"
    by_update = query.get("sort") == "updated"
    found.sort(key=lambda i: (i.updated_at if by_update else i.created_at, i.id), reverse=newest)
    return ask.page(found, lambda issue: simple(issue, repository, ask.site))


def get_pull(ask: Ask) -> Answer:
    """GET .../pulls/{pull_number}."""
    repository = ask.repository()
    return Answer.of(shown(find(ask, repository)[0], repository, ask.site))


def create_pull(ask: Ask) -> Answer:
    """POST .../pulls. A second open one for the same branches is refused."""
    repository, fields = ask.repository(), ask.fields()
    title, body = needed(fields, "title", "PullRequest"), text_of(fields, "body", "PullRequest")
    head_label, base = needed(fields, "head", "PullRequest"), needed(fields, "base", "PullRequest")
    head = _own_branch(repository, head_label)
    if base not in repository.branches:
        raise invalid("PullRequest", "base", "invalid")
    _check_new(repository, head, base)
    pull = Pull(ask.world.next_id(), head, repository.branches[head], base, repository.branches[base])
    pull.draft = fields.get("draft") is True
    pull.maintainer_can_modify = fields.get("maintainer_can_modify", True) is True
    issue = Issue(ask.world.next_id(), next(repository.numbers), ask.user, title, body, ask.now, ask.now, pull=pull)
    repository.issues[issue.number] = issue
    repository.open_issues += 1
    return ask.applied(shown(issue, repository, ask.site), 201)


def _own_branch(repository: Repository, label: str) -> str:
    owner, colon, name = label.rpartition(":")
    if (colon and owner.lower() != repository.owner.login.lower()) or name not in repository.branches:
        raise invalid("PullRequest", "head", "invalid")
    return name


def _check_new(repository: Repository, head: str, base: str) -> None:
    for issue in repository.issues.values():
        if issue.pull and issue.state == "open" and (issue.pull.head_ref, issue.pull.base_ref) == (head, base):
            text = f"A pull request already exists for {repository.owner.login}:{head}."
            raise refusal(
                422, "Validation Failed", errors=[{"resource": "PullRequest", "code": "custom", "message": text}]
            )
    if repository.branches[head] in repository.ancestors(repository.branches[base]):
        text = f"No commits between {base} and {head}"
        raise refusal(422, "Validation Failed", errors=[{"resource": "PullRequest", "code": "custom", "message": text}])


def update_pull(ask: Ask) -> Answer:
    """PATCH .../pulls/{pull_number}."""
    repository, fields = ask.repository(), ask.fields()
    issue, pull = find(ask, repository)
    before = (issue.title, issue.body, issue.state, pull.base_ref, pull.maintainer_can_modify)
    base = text_of(fields, "base", "PullRequest") or pull.base_ref
    if base not in repository.branches and base != pull.base_ref:
        raise invalid("PullRequest", "base", "invalid")
    title = text_of(fields, "title", "PullRequest") or issue.title
    body = text_of(fields, "body", "PullRequest") if "body" in fields else issue.body
    issues.set_state(ask, repository, issue, fields)
    issue.title, issue.body, pull.base_ref = title, body, base
    pull.maintainer_can_modify = fields.get("maintainer_can_modify", pull.maintainer_can_modify) is True
    if before != (issue.title, issue.body, issue.state, pull.base_ref, pull.maintainer_can_modify):
        issue.updated_at = ask.now
        ask.call.applied()
    return Answer.of(shown(issue, repository, ask.site))


def list_files(ask: Ask) -> Answer:
    """GET .../pulls/{pull_number}/files."""
    repository = ask.repository()
    _, pull = find(ask, repository)
    return ask.page(_changes(repository, pull), lambda change: _file(ask, repository, pull, change))


def _file(ask: Ask, repository: Repository, pull: Pull, change: Change) -> Json:
    page, head = repo_page(repository, ask.site), _head(repository, pull)
    return {
        "sha": change.blob,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{page}/blob/{head}/{change.path}",
        "raw_url": f"{page}/raw/{head}/{change.path}",
        "contents_url": f"{repo_url(repository, ask.site)}/contents/{change.path}?ref={head}",
        "patch": change.patch,
    }


def merge_pull(ask: Ask) -> Answer:
    """PUT .../pulls/{pull_number}/merge."""
    repository, fields = ask.repository(), ask.fields()
    issue, pull = find(ask, repository)
    if pull.merged_at is not None or issue.state == "closed" or pull.draft or conflicting(repository, pull):
        raise refusal(405, "Pull Request is not mergeable")
    if fields.get("merge_method", "merge") not in {"merge", "squash", "rebase"}:
        raise invalid("PullRequest", "merge_method", "invalid")
    head = _head(repository, pull)
    if fields.get("sha") not in {None, head}:
        raise conflict("Head branch was modified. Review and try the merge again.")
    method = fields.get("merge_method", "merge")
    title = fields.get("commit_title") or f"Merge pull request #{issue.number} from {pull.head_ref}"
    message = "\n\n".join(filter(None, (str(title), fields.get("commit_message"))))
    tree = merged_tree(repository, pull)
    second = (head,) if method == "merge" else ()
    commit = repository.commit(pull.base_ref, message, tree, ask.user, ask.now, *second)
    pull.head_sha, pull.merged_at, pull.merged_by, pull.merge_sha = head, ask.now, ask.user, commit.sha
    issue.state, issue.closed_at, issue.closed_by, issue.updated_at = "closed", ask.now, ask.user, ask.now
    repository.open_issues -= 1
    return ask.applied({"sha": commit.sha, "merged": True, "message": "Pull Request successfully merged"})


def check_merged(ask: Ask) -> Answer:
    """GET .../pulls/{pull_number}/merge: 204 when merged, else 404."""
    _, pull = find(ask, ask.repository())
    if pull.merged_at is None:
        raise not_found()
    return Answer(204)


def request_reviewers(ask: Ask) -> Answer:
    """POST .../pulls/{pull_number}/requested_reviewers."""
    repository, fields = ask.repository(), ask.fields()
    issue, pull = find(ask, repository)
    if fields.get("team_reviewers"):
        raise refusal(422, "Could not resolve to a node with the global id of the team.")
    found = issues.assignable(ask, repository, fields.get("reviewers") or [], strict=False)
    if len(found) != len({str(login).lower() for login in fields.get("reviewers") or []}):
        raise refusal(422, "Reviews may only be requested from collaborators. One or more is not a collaborator.")
    if issue.user in found:
        raise refusal(422, "Review cannot be requested from pull request author.")
    new = [owner for owner in found if owner not in pull.reviewers]
    if new:
        pull.reviewers.extend(new)
        issue.updated_at = ask.now
        for owner in new:
            ask.world.notify(owner.login, repository, issue, "review_requested", ask.now)
        ask.call.applied()
    return Answer.of(simple(issue, repository, ask.site), 201)


def _pull(issue: Issue) -> Pull:
    if issue.pull is None:
        raise not_found()
    return issue.pull


def _head(repository: Repository, pull: Pull) -> str:
    """A merged pull request keeps the head that it was merged at; an open one follows its branch."""
    if pull.merged_at is not None:
        return pull.head_sha
    pull.head_sha = repository.branches.get(pull.head_ref, pull.head_sha)
    return pull.head_sha


def _changes(repository: Repository, pull: Pull) -> list[Change]:
    base = merge_base(repository, pull)
    return changes(repository, repository.commits[base].tree, repository.commits[_head(repository, pull)].tree)


_REPO = "/repos/{owner}/{repo}/pulls"
_ONE = f"{_REPO}/{{pull_number}}"
ROUTES = (
    Route("GET", _REPO, list_pulls, "pull_requests:read"),
    Route("POST", _REPO, create_pull, "pull_requests:write"),
    Route("GET", _ONE, get_pull, "pull_requests:read"),
    Route("PATCH", _ONE, update_pull, "pull_requests:write"),
    Route("GET", f"{_ONE}/files", list_files, "pull_requests:read"),
    Route("GET", f"{_ONE}/merge", check_merged, "pull_requests:read"),
    Route("PUT", f"{_ONE}/merge", merge_pull, "contents:write"),
    Route("POST", f"{_ONE}/requested_reviewers", request_reviewers, "pull_requests:write"),
)
