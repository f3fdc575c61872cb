"""Labels of repositories and of issues."""

from typing import Any
from urllib.parse import quote

from connectors.github.simulator.ask import Ask, Site, needed, text_of
from connectors.github.simulator.refusals import invalid, not_found
from connectors.github.simulator.render import Json, node, repo_url
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Issue, Label, Repository
from connectors.sdk.simulator import Answer


def shown(label: Label, repository: Repository, site: Site) -> Json:
    """Return a `label`."""
    return {
        "id": label.id,
        "node_id": node("Label", label.id),
        "url": f"{repo_url(repository, site)}/labels/{quote(label.name)}",
        "name": label.name,
        "color": label.color,
        "default": label.default,
        "description": label.description,
    }


def named(ask: Ask, repository: Repository, names: object) -> list[Label]:
    """Return labels by name, creating those that are missing, as GitHub does for a user who may push."""
    if not isinstance(names, list):
        raise invalid("Issue", "labels", "invalid")
    found: dict[str, Label] = {}
    for item in names:
        name: Any = item.get("name") if isinstance(item, dict) else item
        if not isinstance(name, str) or not name:
            raise invalid("Label", "name", "missing_field")
        key = name.lower()
        if key not in repository.labels:
            repository.labels[key] = Label(ask.world.next_id(), name, "ededed")
        found[key] = repository.labels[key]
    return list(found.values())


def list_labels(ask: Ask) -> Answer:
    """GET .../labels."""
    repository = ask.repository()
    return ask.page(list(repository.labels.values()), lambda label: shown(label, repository, ask.site))


def get_label(ask: Ask) -> Answer:
    """GET .../labels/{name}."""
    repository = ask.repository()
    return Answer.of(shown(_find(ask, repository), repository, ask.site))


def create_label(ask: Ask) -> Answer:
    """POST .../labels."""
    repository, fields = ask.repository(), ask.fields()
    name = needed(fields, "name", "Label")
    if name.lower() in repository.labels:
        raise invalid("Label", "name", "already_exists")
    color = text_of(fields, "color", "Label") or "ededed"
    if len(color) != 6 or any(digit not in "0123456789abcdef" for digit in color.lower()):
        raise invalid("Label", "color", "invalid")
    description = text_of(fields, "description", "Label")
    if description is not None and len(description) > 100:
        raise invalid("Label", "description", "invalid")
    label = repository.labels[name.lower()] = Label(ask.world.next_id(), name, color, description)
    return ask.applied(shown(label, repository, ask.site), 201)


def delete_label(ask: Ask) -> Answer:
    """DELETE .../labels/{name}."""
    repository = ask.repository()
    label = _find(ask, repository)
    del repository.labels[label.name.lower()]
    for issue in repository.issues.values():
        if label in issue.labels:
            issue.labels.remove(label)
    return ask.done()


def list_issue_labels(ask: Ask) -> Answer:
    """GET .../issues/{issue_number}/labels."""
    repository = ask.repository()
    return ask.page(ask.issue(repository).labels, lambda label: shown(label, repository, ask.site))


def add_issue_labels(ask: Ask) -> Answer:
    """POST .../issues/{issue_number}/labels."""
    repository = ask.repository()
    issue = ask.issue(repository)
    # A bare array of names is taken too; older clients send it.
    bare = ask.call.body.lstrip().startswith(b"[")
    names: object = ask.call.json() if bare else ask.fields().get("labels")
    new = [label for label in named(ask, repository, names) if label not in issue.labels]
    if new:
        issue.labels.extend(new)
        issue.updated_at = ask.now
        ask.call.applied()
    return _of_issue(ask, repository, issue)


def remove_issue_label(ask: Ask) -> Answer:
    """DELETE .../issues/{issue_number}/labels/{name}."""
    repository = ask.repository()
    issue = ask.issue(repository)
    kept = [label for label in issue.labels if label.name.lower() != ask.value("name").lower()]
    if len(kept) == len(issue.labels):
        raise not_found()
    issue.labels = kept
    issue.updated_at = ask.now
    ask.call.applied()
    return _of_issue(ask, repository, issue)


def _of_issue(ask: Ask, repository: Repository, issue: Issue) -> Answer:
    return Answer.of([shown(label, repository, ask.site) for label in issue.labels])


def _find(ask: Ask, repository: Repository) -> Label:
    label = repository.labels.get(ask.value("name").lower())
    if label is None:
        raise not_found()
    return label


_REPO = "/repos/{owner}/{repo}"
ROUTES = (
    Route("GET", f"{_REPO}/labels", list_labels, "issues:read"),
    Route("POST", f"{_REPO}/labels", create_label, "issues:write"),
    Route("GET", f"{_REPO}/labels/{{name}}", get_label, "issues:read"),
    Route("DELETE", f"{_REPO}/labels/{{name}}", delete_label, "issues:write"),
    Route("GET", f"{_REPO}/issues/{{issue_number}}/labels", list_issue_labels, "issues:read"),
    Route("POST", f"{_REPO}/issues/{{issue_number}}/labels", add_issue_labels, "issues:write"),
    Route("DELETE", f"{_REPO}/issues/{{issue_number}}/labels/{{name}}", remove_issue_label, "issues:write"),
)
