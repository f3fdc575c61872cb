"""Comments on issues and on pull requests' conversations. Shape: `issue-comment`."""

from connectors.github.simulator.ask import Ask, Site, needed, time_of
from connectors.github.simulator.issues import MAX_BODY
from connectors.github.simulator.refusals import forbidden, invalid, not_found
from connectors.github.simulator.render import Json, node, repo_page, repo_url, stamp, user
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Comment, Repository
from connectors.sdk.simulator import Answer


def shown(comment: Comment, repository: Repository, site: Site) -> Json:
    """Return an `issue-comment`."""
    url = repo_url(repository, site)
    return {
        "id": comment.id,
        "node_id": node("IssueComment", comment.id),
        "url": f"{url}/issues/comments/{comment.id}",
        "html_url": f"{repo_page(repository, site)}/issues/{comment.issue}#issuecomment-{comment.id}",
        "issue_url": f"{url}/issues/{comment.issue}",
        "body": comment.body,
        "user": user(comment.user, site),
        "created_at": stamp(comment.created_at),
        "updated_at": stamp(comment.updated_at),
        "author_association": "MEMBER",
    }


def list_comments(ask: Ask) -> Answer:
    """GET .../issues/{issue_number}/comments, oldest first."""
    repository = ask.repository()
    issue, since = ask.issue(repository), ask.query.get("since")
    after = time_of(since, "IssueComment", "since") if since else 0
    found = [comment for comment in issue.comments if int(comment.updated_at) >= after]
    return ask.page(found, lambda comment: shown(comment, repository, ask.site))


def create_comment(ask: Ask) -> Answer:
    """POST .../issues/{issue_number}/comments."""
    repository = ask.repository()
    issue, body = ask.issue(repository), _body(ask)
    if issue.locked and issue.lock_reason == "spam":
        raise forbidden("Unable to create comment because issue is locked.")
    comment = Comment(ask.world.next_id(), issue.number, ask.user, body, ask.now, ask.now)
    repository.comments[comment.id] = comment
    issue.comments.append(comment)
    issue.updated_at = ask.now
    return ask.applied(shown(comment, repository, ask.site), 201)


def get_comment(ask: Ask) -> Answer:
    """GET .../issues/comments/{comment_id}."""
    repository = ask.repository()
    return Answer.of(shown(_find(ask, repository), repository, ask.site))


def update_comment(ask: Ask) -> Answer:
    """PATCH .../issues/comments/{comment_id}."""
    repository = ask.repository()
    comment, body = _find(ask, repository), _body(ask)
    if comment.body != body:
        comment.body, comment.updated_at = body, ask.now
        ask.call.applied()
    return Answer.of(shown(comment, repository, ask.site))


def delete_comment(ask: Ask) -> Answer:
    """DELETE .../issues/comments/{comment_id}."""
    repository = ask.repository()
    comment = repository.comments.pop(_find(ask, repository).id)
    repository.issues[comment.issue].comments.remove(comment)
    return ask.done()


def _find(ask: Ask, repository: Repository) -> Comment:
    comment = repository.comments.get(ask.number("comment_id"))
    if comment is None:
        raise not_found()
    return comment


def _body(ask: Ask) -> str:
    body = needed(ask.fields(), "body", "IssueComment")
    if len(body) > MAX_BODY:
        raise invalid("IssueComment", "body", "custom", f"body is too long (maximum is {MAX_BODY} characters)")
    return body


_REPO = "/repos/{owner}/{repo}/issues"
ROUTES = (
    Route("GET", f"{_REPO}/{{issue_number}}/comments", list_comments, "issues:read"),
    Route("POST", f"{_REPO}/{{issue_number}}/comments", create_comment, "issues:write"),
    Route("GET", f"{_REPO}/comments/{{comment_id}}", get_comment, "issues:read"),
    Route("PATCH", f"{_REPO}/comments/{{comment_id}}", update_comment, "issues:write"),
    Route("DELETE", f"{_REPO}/comments/{{comment_id}}", delete_comment, "issues:write"),
)
