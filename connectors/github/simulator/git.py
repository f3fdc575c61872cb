"""Branches, refs and commits. Shapes: `short-branch`, `branch-with-protection`, `git-ref`, `commit`."""

from urllib.parse import quote

from connectors.github.simulator.ask import Ask, Site, needed
from connectors.github.simulator.refusals import conflict, forbidden, not_found, refusal, unprocessable
from connectors.github.simulator.render import Json, node, repo_page, repo_url, stamp, user
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Commit, Repository
from connectors.sdk.simulator import Answer


def shown_commit(commit: Commit, repository: Repository, site: Site) -> Json:
    """Return a `commit`."""
    url, page = repo_url(repository, site), repo_page(repository, site)
    return {
        "sha": commit.sha,
        "node_id": node("Commit", int(commit.sha[:8], 16)),
        "url": f"{url}/commits/{commit.sha}",
        "html_url": f"{page}/commit/{commit.sha}",
        "comments_url": f"{url}/commits/{commit.sha}/comments",
        "commit": git_commit(commit, repository, site),
        "author": user(commit.author, site),
        "committer": user(commit.author, site),
        "parents": parents(commit, repository, site),
    }


def git_commit(commit: Commit, repository: Repository, site: Site) -> Json:
    """Return what Git itself knows of a commit."""
    by = {"name": commit.author.name or commit.author.login, "email": f"{commit.author.login}@users.example.com"}
    url = f"{repo_url(repository, site)}/git"
    return {
        "url": f"{url}/commits/{commit.sha}",
        "author": {**by, "date": stamp(commit.at)},
        "committer": {**by, "date": stamp(commit.at)},
        "message": commit.message,
        "tree": {"sha": commit.sha, "url": f"{url}/trees/{commit.sha}"},
        "comment_count": 0,
    }


def parents(commit: Commit, repository: Repository, site: Site) -> list[Json]:
    """Return links to the commits before this one."""
    url, page = repo_url(repository, site), repo_page(repository, site)
    return [{"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/commit/{sha}"} for sha in commit.parents]


def list_branches(ask: Ask) -> Answer:
    """GET .../branches, by name."""
    repository = ask.repository()
    names = sorted(repository.branches)
    if "protected" in ask.query:
        wanted = ask.query["protected"] == "true"
        names = [name for name in names if (name in repository.protected) == wanted]
    return ask.page(names, lambda name: _short_branch(ask, repository, name))


def _short_branch(ask: Ask, repository: Repository, name: str) -> Json:
    sha = repository.branches[name]
    commit = {"sha": sha, "url": f"{repo_url(repository, ask.site)}/commits/{sha}"}
    return {"name": name, "commit": commit, "protected": name in repository.protected}


def get_branch(ask: Ask) -> Answer:
    """GET .../branches/{branch}."""
    repository, name = ask.repository(), ask.value("branch")
    if name not in repository.branches:
        raise refusal(404, "Branch not found")
    url = f"{repo_url(repository, ask.site)}/branches/{quote(name, safe='')}"
    return Answer.of(
        {
            "name": name,
            "commit": shown_commit(repository.commits[repository.branches[name]], repository, ask.site),
            "_links": {"self": url, "html": f"{repo_page(repository, ask.site)}/tree/{quote(name)}"},
            "protected": name in repository.protected,
            "protection": {"enabled": name in repository.protected},
            "protection_url": f"{url}/protection",
        }
    )


def get_ref(ask: Ask) -> Answer:
    """GET .../git/ref/{ref}: `heads/x` or `tags/x`, exactly."""
    repository = ask.repository()
    kind, _, name = ask.value("ref").partition("/")
    sha = {"heads": repository.branches, "tags": repository.tags}.get(kind, {}).get(name)
    if sha is None:
        raise not_found()
    return Answer.of(_ref(ask, repository, f"refs/{kind}/{name}", sha))


def create_ref(ask: Ask) -> Answer:
    """POST .../git/refs."""
    repository, fields = ask.repository(), ask.fields()
    ref, sha = needed(fields, "ref", "Reference"), needed(fields, "sha", "Reference")
    if not ref.startswith("refs/") or ref.count("/") < 2:
        raise unprocessable("Reference name must start with 'refs' and have at least two slashes.")
    if sha not in repository.commits:
        raise unprocessable("Object does not exist")
    kind, name = ref.removeprefix("refs/").split("/", 1)
    refs = repository.branches if kind == "heads" else repository.tags
    if name in refs:
        raise unprocessable("Reference already exists")
    if _clashes(name, refs):
        raise unprocessable("Reference update failed")
    refs[name] = sha
    return ask.applied(_ref(ask, repository, ref, sha), 201)


def _clashes(name: str, refs: dict[str, str]) -> bool:
    """Git keeps refs as files: `a` and `a/b` cannot both be."""
    return any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other in refs)


def delete_ref(ask: Ask) -> Answer:
    """DELETE .../git/refs/{ref}. Closes the pull requests that come from a deleted branch."""
    repository = ask.repository()
    kind, _, name = ask.value("ref").partition("/")
    refs = repository.branches if kind == "heads" else repository.tags
    if name not in refs:
        raise unprocessable("Reference does not exist")
    if kind == "heads" and name == repository.default_branch:
        raise unprocessable("Cannot delete the default branch")
    if kind == "heads" and name in repository.protected:
        raise forbidden("Cannot delete a protected branch")
    del refs[name]
    for issue in repository.issues.values():
        if kind == "heads" and issue.pull is not None and issue.pull.head_ref == name and issue.state == "open":
            issue.state, issue.closed_at, issue.closed_by = "closed", ask.now, ask.user
            repository.open_issues -= 1
    return ask.done()


def list_commits(ask: Ask) -> Answer:
    """GET .../commits of a branch, newest first; with `path` those that changed it."""
    repository = ask.repository()
    if not repository.branches:
        raise conflict("Git Repository is empty.")
    start = repository.resolve(ask.query.get("sha") or repository.default_branch)
    if start is None:
        raise not_found()
    found = list(repository.ancestors(start).values())
    path = ask.query.get("path")
    if path:
        found = [commit for commit in found if _changed(repository, commit, path)]
    return ask.page(found, lambda commit: shown_commit(commit, repository, ask.site))


def get_commit(ask: Ask) -> Answer:
    """GET .../commits/{ref}."""
    repository = ask.repository()
    sha = repository.resolve(ask.value("ref"))
    if sha is None:
        raise unprocessable(f"No commit found for SHA: {ask.value('ref')}")
    return Answer.of(shown_commit(repository.commits[sha], repository, ask.site))


def _changed(repository: Repository, commit: Commit, path: str) -> bool:
    before = [repository.commits[sha].tree.get(path) for sha in commit.parents] or [None]
    return all(commit.tree.get(path) != blob for blob in before)


def _ref(ask: Ask, repository: Repository, ref: str, sha: str) -> Json:
    url = f"{repo_url(repository, ask.site)}/git"
    return {
        "ref": ref,
        "node_id": node("Ref", int(sha[:8], 16)),
        "url": f"{url}/{ref}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/commits/{sha}"},
    }


_REPO = "/repos/{owner}/{repo}"
ROUTES = (
    Route("GET", f"{_REPO}/branches", list_branches, "contents:read"),
    Route("GET", f"{_REPO}/branches/{{branch+}}", get_branch, "contents:read"),
    Route("GET", f"{_REPO}/git/ref/{{ref+}}", get_ref, "contents:read"),
    Route("POST", f"{_REPO}/git/refs", create_ref, "contents:write"),
    Route("DELETE", f"{_REPO}/git/refs/{{ref+}}", delete_ref, "contents:write"),
    Route("GET", f"{_REPO}/commits", list_commits, "contents:read"),
    Route("GET", f"{_REPO}/commits/{{ref+}}", get_commit, "contents:read"),
)
