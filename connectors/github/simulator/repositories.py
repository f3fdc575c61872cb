"""Repositories, and the lists of those that a credential reaches."""

from connectors.github.simulator.ask import Ask, needed, text_of
from connectors.github.simulator.refusals import forbidden, invalid, not_found
from connectors.github.simulator.render import full_repository, user
from connectors.github.simulator.routing import Route
from connectors.sdk.simulator import Answer


def get_repository(ask: Ask) -> Answer:
    """GET /repos/{owner}/{repo}."""
    return Answer.of(full_repository(ask.repository(), ask.site))


def get_by_id(ask: Ask) -> Answer:
    """GET /repositories/{id}: where a renamed repository's 301 leads."""
    repository = ask.world.by_id.get(ask.number("repository_id"))
    if repository is None or not ask.caller.sees(ask.world, repository):
        raise not_found()
    return Answer.of(full_repository(repository, ask.site))


def update_repository(ask: Ask) -> Answer:
    """PATCH /repos/{owner}/{repo}: name and description. The old name answers 301 from then on."""
    repository, fields = ask.repository(), ask.fields()
    before = full_repository(repository, ask.site)
    if "description" in fields:
        repository.description = text_of(fields, "description", "Repository")
    if "name" in fields:
        name = needed(fields, "name", "Repository")
        taken = ask.world.repositories.get(f"{repository.owner.login}/{name}".lower())
        if taken is not None and taken is not repository:
            raise invalid("Repository", "name", "custom", "name already exists on this account")
        ask.world.rename(repository, name)
    if full_repository(repository, ask.site) != before:
        ask.call.applied()
    return Answer.of(full_repository(repository, ask.site))


def list_own(ask: Ask) -> Answer:
    """GET /user/repos."""
    if ask.caller.kind != "user":
        raise forbidden("Resource not accessible by integration")
    return ask.page(ask.visible(), lambda repository: full_repository(repository, ask.site))


def list_of_organization(ask: Ask) -> Answer:
    """GET /orgs/{org}/repos."""
    organization = ask.world.owners.get(ask.value("org").lower())
    if organization is None or organization.kind != "Organization":
        raise not_found()
    found = [repository for repository in ask.visible() if repository.owner is organization]
    return ask.page(found, lambda repository: full_repository(repository, ask.site))


def list_of_installation(ask: Ask) -> Answer:
    """GET /installation/repositories."""
    if ask.caller.kind != "installation":
        raise forbidden("You must authenticate with an installation access token in order to list repositories.")
    chosen = ask.caller.repositories or frozenset()
    found = [repository for repository in ask.world.by_id.values() if repository.id in chosen]
    cut, links = ask.cut(found)
    shown = [full_repository(repository, ask.site) for repository in cut]
    answer = {"total_count": len(found), "repository_selection": "selected", "repositories": shown}
    return Answer.of(answer, headers=links)


def list_members(ask: Ask) -> Answer:
    """GET /orgs/{org}/members."""
    members = ask.world.members.get(ask.value("org").lower())
    if members is None:
        raise not_found()
    role = ask.query.get("role", "all")
    found = [ask.world.owners[login] for login, has in members.items() if role in {"all", has}]
    return ask.page(found, lambda owner: user(owner, ask.site))


def list_assignees(ask: Ask) -> Answer:
    """GET /repos/{owner}/{repo}/assignees."""
    members = ask.world.members.get(ask.repository().owner.login.lower(), {})
    return ask.page([ask.world.owners[login] for login in members], lambda owner: user(owner, ask.site))


def get_organization(ask: Ask) -> Answer:
    """GET /orgs/{org}: what clients ask before they list."""
    owner = ask.world.owners.get(ask.value("org").lower())
    if owner is None or owner.kind != "Organization":
        raise not_found()
    url = f"{ask.site.api}/orgs/{owner.login}"
    links = {f"{name}_url": f"{url}/{name}" for name in ("repos", "events", "hooks", "issues", "members")}
    return Answer.of({**user(owner, ask.site), "url": url, "description": owner.name, **links})


_REPO = "/repos/{owner}/{repo}"
ROUTES = (
    Route("GET", _REPO, get_repository, "metadata:read"),
    Route("PATCH", _REPO, update_repository, "administration:write"),
    Route("GET", f"{_REPO}/assignees", list_assignees, "metadata:read"),
    Route("GET", "/repositories/{repository_id}", get_by_id, "metadata:read"),
    Route("GET", "/user/repos", list_own),
    Route("GET", "/orgs/{org}", get_organization),
    Route("GET", "/orgs/{org}/repos", list_of_organization, "metadata:read"),
    Route("GET", "/orgs/{org}/members", list_members, "members:read"),
    Route("GET", "/installation/repositories", list_of_installation),
)
