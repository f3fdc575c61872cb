"""Files in a repository. Shapes: `content-file`, `content-directory`, `file-commit`.

A file is replaced or deleted only by naming the blob that it has now: GitHub's one compare-and-swap.
"""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from connectors.github.simulator import git
from connectors.github.simulator.ask import Ask, Site, needed, text_of
from connectors.github.simulator.refusals import conflict, invalid, not_found, refusal, unprocessable
from connectors.github.simulator.render import Json, node, repo_page, repo_url
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Commit, Repository
from connectors.sdk.simulator import Answer

MAX_INLINE = 1024 * 1024
RAW = "application/vnd.github.raw"


def get_content(ask: Ask) -> Answer:
    """GET .../contents/{path}: a file as an object, a directory as an array, or the bytes when `raw` is accepted."""
    repository = ask.repository()
    path = ask.call.values.get("path", "").strip("/")
    ref = ask.query.get("ref") or repository.default_branch
    sha = repository.resolve(ref)
    if sha is None:
        raise refusal(404, f"No commit found for the ref {ref}")
    tree = repository.commits[sha].tree
    if path not in tree:
        return _directory(ask, repository, tree, path, ref)
    blob = tree[path]
    if RAW in ask.call.headers.get("accept", ""):
        return Answer(200, repository.blobs[blob], {"content-type": f"{RAW}; charset=utf-8"})
    return Answer.of({**entry(repository, ask.site, path, blob, ref), **_inline(repository.blobs[blob])})


def _inline(content: bytes) -> Json:
    if len(content) > MAX_INLINE:
        return {"content": "", "encoding": "none"}
    return {"content": base64.encodebytes(content).decode(), "encoding": "base64"}


def _directory(ask: Ask, repository: Repository, tree: Any, path: str, ref: str) -> Answer:
    prefix = f"{path}/" if path else ""
    names = sorted({name.removeprefix(prefix).split("/", 1)[0] for name in tree if name.startswith(prefix)})
    if not names:
        raise not_found()
    found = [entry(repository, ask.site, prefix + name, tree.get(prefix + name), ref) for name in names]
    return Answer.of(found)


def entry(repository: Repository, site: Site, path: str, blob: str | None, ref: str) -> Json:
    """Return a file, or a directory where there is no blob."""
    url = f"{repo_url(repository, site)}/contents/{quote(path)}?ref={quote(ref)}"
    kind = "dir" if blob is None else "file"
    sha = blob or "0" * 40
    git_url = f"{repo_url(repository, site)}/git/{'trees' if blob is None else 'blobs'}/{sha}"
    html = f"{repo_page(repository, site)}/{'tree' if blob is None else 'blob'}/{quote(ref)}/{quote(path)}"
    download = None if blob is None else f"{site.web}/raw/{repository.full_name}/{quote(ref)}/{quote(path)}"
    return {
        "type": kind,
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "size": 0 if blob is None else len(repository.blobs[blob]),
        "url": url,
        "html_url": html,
        "git_url": git_url,
        "download_url": download,
        "_links": {"self": url, "git": git_url, "html": html},
    }


def put_content(ask: Ask) -> Answer:
    """PUT .../contents/{path}."""
    repository, fields, path = ask.repository(), ask.fields(), ask.value("path")
    message, encoded = needed(fields, "message", "Commit"), text_of(fields, "content", "Commit", required=True)
    try:
        content = base64.b64decode("".join((encoded or "").split()), validate=True)
    except binascii.Error as error:
        raise unprocessable("content is not valid Base64") from error
    _check_workflow(ask, repository, path)
    branch = _branch(repository, fields)
    tree = _tree(repository, branch)
    _compare(tree.get(path), text_of(fields, "sha", "Commit"), path)
    if any(name.startswith(f"{path}/") or path.startswith(f"{name}/") for name in tree):
        raise unprocessable("path collides with a directory or a file")
    created = path not in tree
    blob = repository.keep_blob(content)
    commit = repository.commit(branch, message, {**tree, path: blob}, ask.user, ask.now)
    shown = entry(repository, ask.site, path, blob, branch)
    return ask.applied({"content": shown, "commit": _commit(ask, repository, commit)}, 201 if created else 200)


def delete_content(ask: Ask) -> Answer:
    """DELETE .../contents/{path}. Members come in the body, or in the query as some clients send them."""
    repository, path = ask.repository(), ask.value("path")
    fields = {**ask.query, **ask.fields()}
    message, sha = needed(fields, "message", "Commit"), needed(fields, "sha", "Commit")
    branch = _branch(repository, fields)
    tree = _tree(repository, branch)
    if path not in tree:
        raise not_found()
    _check_workflow(ask, repository, path)
    _compare(tree[path], sha, path)
    left = {name: blob for name, blob in tree.items() if name != path}
    commit = repository.commit(branch, message, left, ask.user, ask.now)
    return ask.applied({"content": None, "commit": _commit(ask, repository, commit)})


def _compare(has: str | None, given: str | None, path: str) -> None:
    if has is None and given:
        raise conflict(f"{path} does not match {given}")
    if has is not None and not given:
        raise unprocessable('Invalid request.\n\n"sha" wasn\'t supplied.')
    if has != given and has is not None:
        raise conflict(f"{path} does not match {given}")


def _branch(repository: Repository, fields: Any) -> str:
    branch = text_of(fields, "branch", "Commit") or repository.default_branch
    if branch not in repository.branches and repository.branches:
        raise refusal(404, f"Branch {branch} not found")
    if branch in repository.protected:
        raise conflict("Could not change file: Changes must be made through a pull request.")
    return branch


def _tree(repository: Repository, branch: str) -> dict[str, str]:
    sha = repository.branches.get(branch)
    return dict(repository.commits[sha].tree) if sha else {}


def _check_workflow(ask: Ask, repository: Repository, path: str) -> None:
    if not path or path.startswith("/"):
        raise invalid("Commit", "path", "invalid")
    if path.startswith(".github/workflows/"):
        ask.caller.check("workflows:write", private=repository.private)


def _commit(ask: Ask, repository: Repository, commit: Commit) -> Json:
    shown = git.git_commit(commit, repository, ask.site)
    return {
        **shown,
        "sha": commit.sha,
        "node_id": node("Commit", int(commit.sha[:8], 16)),
        "html_url": f"{repo_page(repository, ask.site)}/commit/{commit.sha}",
        "parents": git.parents(commit, repository, ask.site),
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


_REPO = "/repos/{owner}/{repo}/contents"
ROUTES = (
    Route("GET", _REPO, get_content, "contents:read"),
    Route("GET", f"{_REPO}/{{path+}}", get_content, "contents:read"),
    Route("PUT", f"{_REPO}/{{path+}}", put_content, "contents:write"),
    Route("DELETE", f"{_REPO}/{{path+}}", delete_content, "contents:write"),
)
