"""Releases. Shape: `release`. A published release's tag is unique; drafts have none yet."""

from connectors.github.simulator.ask import Ask, Site, needed, text_of
from connectors.github.simulator.refusals import invalid, not_found
from connectors.github.simulator.render import Json, node, repo_page, repo_url, stamp, user, when
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Release, Repository
from connectors.sdk.simulator import Answer


def shown(release: Release, repository: Repository, site: Site) -> Json:
    """Return a `release`."""
    url = f"{repo_url(repository, site)}/releases/{release.id}"
    page = f"{repo_page(repository, site)}/releases/tag/{release.tag_name}"
    balls = repo_url(repository, site)
    return {
        "id": release.id,
        "node_id": node("Release", release.id),
        "url": url,
        "html_url": page,
        "assets_url": f"{url}/assets",
        "upload_url": f"{url}/assets{{?name,label}}",
        "tarball_url": None if release.draft else f"{balls}/tarball/{release.tag_name}",
        "zipball_url": None if release.draft else f"{balls}/zipball/{release.tag_name}",
        "tag_name": release.tag_name,
        "target_commitish": release.target,
        "name": release.name,
        "body": release.body,
        "draft": release.draft,
        "prerelease": release.prerelease,
        "author": user(release.author, site),
        "assets": [],
        "created_at": stamp(release.created_at),
        "published_at": when(release.published_at),
    }


def list_releases(ask: Ask) -> Answer:
    """GET .../releases, newest first."""
    repository = ask.repository()
    return ask.page(list(repository.releases.values())[::-1], lambda found: shown(found, repository, ask.site))


def get_release(ask: Ask) -> Answer:
    """GET .../releases/{release_id}."""
    repository = ask.repository()
    return Answer.of(shown(_find(ask, repository), repository, ask.site))


def get_by_tag(ask: Ask) -> Answer:
    """GET .../releases/tags/{tag}: published ones only."""
    repository = ask.repository()
    for release in repository.releases.values():
        if release.tag_name == ask.value("tag") and not release.draft:
            return Answer.of(shown(release, repository, ask.site))
    raise not_found()


def create_release(ask: Ask) -> Answer:
    """POST .../releases. Publishing makes the tag where it is not there."""
    repository, fields = ask.repository(), ask.fields()
    tag, draft = needed(fields, "tag_name", "Release"), fields.get("draft") is True
    if not draft and any(found.tag_name == tag and not found.draft for found in repository.releases.values()):
        raise invalid("Release", "tag_name", "already_exists")
    target = text_of(fields, "target_commitish", "Release") or repository.default_branch
    sha = repository.resolve(target)
    if sha is None:
        raise invalid("Release", "target_commitish", "invalid")
    release = Release(
        ask.world.next_id(),
        tag,
        target,
        text_of(fields, "name", "Release"),
        text_of(fields, "body", "Release"),
        draft,
        fields.get("prerelease") is True,
        ask.user,
        ask.now,
        None if draft else ask.now,
    )
    repository.releases[release.id] = release
    if not draft:
        repository.tags.setdefault(tag, sha)
    return ask.applied(shown(release, repository, ask.site), 201)


def delete_release(ask: Ask) -> Answer:
    """DELETE .../releases/{release_id}. The tag stays."""
    repository = ask.repository()
    del repository.releases[_find(ask, repository).id]
    return ask.done()


def _find(ask: Ask, repository: Repository) -> Release:
    release = repository.releases.get(ask.number("release_id"))
    if release is None:
        raise not_found()
    return release


_REPO = "/repos/{owner}/{repo}/releases"
ROUTES = (
    Route("GET", _REPO, list_releases, "contents:read"),
    Route("POST", _REPO, create_release, "contents:write"),
    Route("GET", f"{_REPO}/tags/{{tag+}}", get_by_tag, "contents:read"),
    Route("GET", f"{_REPO}/{{release_id}}", get_release, "contents:read"),
    Route("DELETE", f"{_REPO}/{{release_id}}", delete_release, "contents:write"),
)
