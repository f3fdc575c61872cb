"""The labels that a repository knows. Source: GitHub REST API 2022-11-28, "Labels"."""

from pydantic import Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.names import REPOSITORY, InRepository, Owner, Repo
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE, gone
from connectors.sdk import (
    Done,
    Effect,
    Irreversible,
    NaturalKey,
    Output,
    Page,
    PageQuery,
    Reconcile,
    Undo,
    Upstream,
    UpstreamNotFound,
)

LABELS = "/repos/{owner}/{repo}/labels"
LABEL = LABELS + "/{name}"


class Label(Output):
    """A label. `color` is six hexadecimal digits."""

    name: str
    color: str
    description: str | None = None


class ListLabels(PageQuery):
    """Whose labels to read."""

    owner: Owner
    repo: Repo


class OneLabel(InRepository):
    """One label of a repository."""

    name: str = Field(min_length=1, max_length=256)


class CreateLabel(OneLabel):
    """The label to create."""

    color: str = Field(default="ededed", pattern=r"^[0-9a-fA-F]{6}$", description="Six hexadecimal digits, no `#`.")
    description: str = Field(default="", max_length=100, description="What the label means.")


_LIST = TypeAdapter(list[Label])


@github.action(
    "label.list",
    scopes={"github:label:read"},
    effect=Effect.READ,
    resource=REPOSITORY,
    vendor_scopes={"issues:read"},
)
async def list_labels(api: Upstream, query: ListLabels) -> Page[Label]:
    """List the labels that a repository knows. An issue's own labels come with `github.issue.get`."""
    response = await api.get(LABELS, query, params=paged(query))
    return Page[Label](items=api.read(_LIST, response), next_cursor=next_page(response))


async def find_created(api: Upstream, new: CreateLabel) -> Label | None:
    """Return the label if it is as this call would have made it, else None."""
    try:
        label = api.read(Label, await api.get(LABEL, new))
    except UpstreamNotFound:
        return None
    same = (label.color.lower(), label.description or "") == (new.color.lower(), new.description)
    return label if same else None


@github.action(
    "label.create",
    scopes={"github:label:write"},
    effect=Effect.CREATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    # GitHub refuses a second label of that name (case ignored) with 422 already_exists.
    idempotency=NaturalKey(("owner", "repo", "name"), find_created),
    undo=Undo("github.label.delete"),
    examples=[{"owner": "acme", "repo": "web", "name": "triage", "color": "c5def5", "description": "To be looked at"}],
)
async def create_label(api: Upstream, new: CreateLabel) -> Label:
    """Create a label in a repository. Fails with `upstream_rejected` where one of that name is there already."""
    body = {"name": new.name, "color": new.color, "description": new.description}
    return api.read(Label, await api.post(LABELS, new, json=body))


async def find_deleted(api: Upstream, what: OneLabel) -> Done | None:
    """Return `Done` if the label is gone from a repository that can be read, else None."""
    return await gone(api, LABEL, what)


@github.action(
    "label.delete",
    scopes={"github:label:delete"},
    effect=Effect.DELETE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    # A name can be taken again, so a label that is there proves nothing: then the call stays unknown.
    idempotency=Reconcile(find_deleted, settle=SETTLE, consistent=False),
    undo=Irreversible("All issues lose the label; creating it again does not give it back to them."),
    examples=[{"owner": "acme", "repo": "web", "name": "triage"}],
)
async def delete_label(api: Upstream, what: OneLabel) -> Done:
    """Delete a label from a repository, and so from all its issues and pull requests.

    To take it off a single one use `github.issue.remove_label`.
    """
    return api.done(await api.delete(LABEL, what))
