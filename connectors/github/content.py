"""Files in repositories. Source: GitHub REST API 2022-11-28, "Repository contents".

A file is replaced or deleted by naming the blob that it holds now: GitHub's one compare-and-swap on text.
"""

import base64
import hashlib
import mimetypes
from typing import Annotated, Any

from pydantic import AliasPath, Field, TypeAdapter, model_validator

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, Branch, InRepository, Sha
from connectors.github.tracing import SETTLE
from connectors.sdk import (
    Done,
    Effect,
    FileRef,
    Output,
    Page,
    Reconcile,
    Response,
    StoredFile,
    Undo,
    Upstream,
    UpstreamNotFound,
    UpstreamRejected,
)

CONTENT = "/repos/{owner}/{repo}/contents/{path+}"
_RAW = "application/vnd.github.raw+json"
_LARGEST = 25 * 1024 * 1024

Path = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4096,
        pattern=r"^[^/].*[^/]$|^[^/]$",
        description="Path from the repository's root, without a slash at either end.",
    ),
]


class FileContent(Output):
    """A file. `text` is null where it is not UTF-8 or over 1 MB: then use `github.content.download`."""

    path: str
    sha: str = Field(description="The blob that it holds; what an update or a deletion must name.")
    size: int = Field(description="Bytes.")
    url: str | None = Field(default=None, validation_alias="html_url")
    text: str | None = None


class Entry(Output):
    """A file, directory, link or submodule of a directory."""

    path: str
    type: str = Field(description="`file`, `dir`, `symlink` or `submodule`.")
    sha: str
    size: int = 0


class OnePath(InRepository):
    """A file at a branch, a tag or a commit."""

    path: Path
    ref: str | None = Field(default=None, max_length=255, description="Branch, tag or commit; the default branch else.")


class ListContent(InRepository):
    """The directory to read."""

    path: str = Field(default="", max_length=4096, description="Empty for the root.")
    ref: str | None = Field(default=None, max_length=255, description="Branch, tag or commit; the default branch else.")


class UpdateContent(InRepository):
    """A file's new content, as `text` or as an uploaded `file`."""

    path: Path
    message: str = Field(min_length=1, max_length=65_000, description="The commit's message.")
    text: str | None = Field(
        default=None, max_length=900_000, description="The file's new text; give either this or `file`."
    )
    file: FileRef | None = Field(default=None, description="An uploaded file as the new content.")
    sha: Sha | None = Field(default=None, description="The blob to replace; leave out to create the file.")
    branch: Branch | None = Field(default=None, description="The default branch when left out.")

    @model_validator(mode="after")
    def _has_one_content(self) -> "UpdateContent":
        if (self.text is None) == (self.file is None):
            raise ValueError("give either `text` or `file`")
        return self


class DeleteContent(InRepository):
    """The file to delete."""

    path: Path
    message: str = Field(min_length=1, max_length=65_000, description="The commit's message.")
    sha: Sha = Field(description="The blob that the file holds now.")
    branch: Branch | None = Field(default=None, description="The default branch when left out.")


class Written(Output):
    """A file as a commit has left it."""

    path: str = Field(validation_alias=AliasPath("content", "path"))
    sha: str = Field(validation_alias=AliasPath("content", "sha"), description="The blob.")
    url: str | None = Field(default=None, validation_alias=AliasPath("content", "html_url"))
    commit: str = Field(validation_alias=AliasPath("commit", "sha"))


class _File(FileContent):
    type: str
    encoding: str | None = None
    content: str | None = None


class _Kind(Output):
    type: str


class _Commit(Output):
    sha: str


_ENTRIES = TypeAdapter(list[Entry])
_COMMITS = TypeAdapter(list[_Commit])


@github.action(
    "content.get",
    scopes={"github:content:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
    max_output_bytes=1024 * 1024,
)
async def get_content(api: Upstream, what: OnePath) -> FileContent:
    """Read a text file, and the `sha` that `github.content.update` and `delete` need.

    `text` is null for binary files and for those over 1 MB: `github.content.download` gives their bytes. A directory
    is refused; `github.content.list` reads it.
    """
    response = await api.get(CONTENT, what, params={"ref": what.ref})
    file = api.read(_File, _only_file(response, what.path))
    plain = file.model_dump(include=set(FileContent.model_fields) - {"text"})
    return FileContent(**plain, text=_text(file))


def _only_file(response: Response, path: str) -> Response:
    if response.body.lstrip().startswith(b"["):
        raise UpstreamRejected(f"{path!r} is a directory.", hint="Use github.content.list.")
    return response


def _text(file: _File) -> str | None:
    if file.encoding != "base64" or file.content is None:
        return None
    try:
        return base64.b64decode(file.content).decode()
    except ValueError:
        return None


@github.action(
    "content.list",
    scopes={"github:content:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
)
async def list_content(api: Upstream, what: ListContent) -> Page[Entry]:
    """List a directory; GitHub gives at most 1,000 entries and no further pages. Not recursive."""
    path = "/repos/{owner}/{repo}/contents" + ("/{path+}" if what.path else "")
    response = await api.get(path, what, params={"ref": what.ref})
    if not response.body.lstrip().startswith(b"["):
        kind = api.read(_Kind, response).type
        raise UpstreamRejected(f"{what.path!r} is a {kind}, no directory.", hint="Use github.content.get.")
    return Page[Entry](items=api.read(_ENTRIES, response))


@github.action(
    "content.download",
    scopes={"github:content:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"contents:read"},
)
async def download_content(api: Upstream, what: OnePath) -> StoredFile:
    """Fetch a file's bytes, up to 25 MiB, and keep them as a file that you can read for 24 h.

    For binary and large files; a text is had in one step with `github.content.get`.
    """
    headers = {"Accept": _RAW}
    response = await api.get(CONTENT, what, params={"ref": what.ref}, headers=headers, max_bytes=_LARGEST)
    if response.headers.get("content-type", "").startswith("application/json"):
        api.read(_ENTRIES, response)
        raise UpstreamRejected(f"{what.path!r} is a directory.", hint="Use github.content.list.")
    media_type = mimetypes.guess_type(what.path)[0] or "application/octet-stream"
    return await api.save(response.body, media_type)


async def _bytes(api: Upstream, new: UpdateContent) -> bytes:
    return (new.text or "").encode() if new.file is None else (await api.load(new.file)).content


def blob_id(content: bytes) -> str:
    """Return the id that Git gives a file's content."""
    return hashlib.sha1(b"blob %d\x00" % len(content) + content, usedforsecurity=False).hexdigest()


async def find_updated(api: Upstream, new: UpdateContent) -> Written | None:
    """Return the file and the newest commit on it, if it holds what was sent, else None."""
    wanted = blob_id(await _bytes(api, new))
    try:
        response = await api.get(CONTENT, new, params={"ref": new.branch})
    except UpstreamNotFound:
        return None
    file = api.read(_File, _only_file(response, new.path))
    if file.sha != wanted:
        return None
    params: dict[str, Any] = {"sha": new.branch, "path": new.path, "per_page": 1}
    commits = api.read(_COMMITS, await api.get("/repos/{owner}/{repo}/commits", new, params=params))
    return Written(path=file.path, sha=file.sha, url=file.url, commit=commits[0].sha) if commits else None


@github.action(
    "content.update",
    scopes={"github:content:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    # The blob's id is a compare-and-swap: GitHub refuses a second application with 409 or 422.
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=True),
    undo=Undo("github.content.update", note="Write the former text again; the commit stays in the history."),
    examples=[
        {
            "owner": "acme",
            "repo": "web",
            "path": "docs/setup.md",
            "message": "Add the setup guide",
            "text": "# Setup\n",
        }
    ],
)
async def update_content(api: Upstream, new: UpdateContent) -> Written:
    """Create or replace one file on a branch, as one commit.

    To replace it name the `sha` that `github.content.get` gave: if the file has changed since, GitHub refuses with
    `upstream_conflict`. Files below `.github/workflows/` need the vendor permission `workflows` too.
    """
    content = base64.b64encode(await _bytes(api, new)).decode()
    body = {"message": new.message, "content": content, "sha": new.sha, "branch": new.branch}
    sent = {name: value for name, value in body.items() if value is not None}
    return api.read(Written, await api.put(CONTENT, new, json=sent))


async def find_deleted(api: Upstream, what: DeleteContent) -> Done | None:
    """Return `Done` if the file is gone from a branch of a repository that can be read, else None."""
    try:
        await api.get(CONTENT, what, params={"ref": what.branch})
    except UpstreamNotFound:
        # 404 for a branch that is gone, too: then nothing is known of the file.
        branch = "/repos/{owner}/{repo}/branches/{branch}"
        return await _still(api, branch if what.branch else "/repos/{owner}/{repo}", what)
    return None


async def _still(api: Upstream, path: str, what: DeleteContent) -> Done:
    return api.done(await api.get(path, what))


@github.action(
    "content.delete",
    scopes={"github:content:delete"},
    effect=Effect.DELETE,
    resource=REPOSITORY,
    vendor_scopes={"contents:write"},
    # The blob's id keeps a repeat from deleting what somebody else has put there since.
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=True),
    undo=Undo("github.content.update", note="Write the former text again; the commit stays in the history."),
    examples=[
        {"owner": "acme", "repo": "web", "path": "docs/old.md", "message": "Remove the old guide", "sha": "0" * 40}
    ],
)
async def delete_content(api: Upstream, what: DeleteContent) -> Done:
    """Delete one file from a branch, as one commit. Fails with `upstream_conflict` where it has changed since."""
    body = {"message": what.message, "sha": what.sha, "branch": what.branch}
    sent = {name: value for name, value in body.items() if value is not None}
    return api.done(await api.delete(CONTENT, what, json=sent))
