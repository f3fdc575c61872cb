"""Notifications of the connected user. Apps have none. Source: GitHub REST API 2022-11-28, "Notifications"."""

from collections.abc import Sequence

from pydantic import AliasPath, AwareDatetime, Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.names import canonical, iso
from connectors.github.paging import next_page, paged
from connectors.github.tracing import SETTLE
from connectors.sdk import (
    Done,
    Effect,
    Input,
    Irreversible,
    Located,
    Output,
    Page,
    PageQuery,
    Reconcile,
    Searched,
    Upstream,
)

THREAD = "/notifications/threads/{thread}"


class Notification(Output):
    """What somebody should look at, and why."""

    id: str
    repository: str = Field(validation_alias=AliasPath("repository", "full_name"))
    title: str = Field(validation_alias=AliasPath("subject", "title"))
    type: str = Field(validation_alias=AliasPath("subject", "type"), description="`Issue`, `PullRequest`, ...")
    reason: str = Field(description="`mention`, `assign`, `review_requested`, `subscribed`, ...")
    unread: bool
    updated_at: AwareDatetime


class ListNotifications(PageQuery):
    """Which notifications to read."""

    # GitHub gives at most 50 a page here, not 100.
    limit: int = Field(default=30, ge=1, le=50, description="At most this many items on a page.")
    all: bool = Field(default=False, description="Read ones too.")
    participating: bool = Field(default=False, description="Only where the user takes part or is mentioned.")
    updated_since: AwareDatetime | None = Field(default=None, description="Only threads changed at or after this time.")


class OneNotification(Input):
    """One notification."""

    thread: str = Field(pattern=r"^[0-9]{1,20}$", description="The notification's id.")


_LIST = TypeAdapter(list[Notification])


def _as_it_is(query: ListNotifications, patterns: Sequence[str]) -> ListNotifications:
    """GitHub's list takes no repositories; what comes back is cut to those that the grants name."""
    del patterns
    return query


def _identity(notification: Notification) -> str:
    return canonical(notification.repository)


async def repository_of(api: Upstream, what: OneNotification) -> str:
    """Read which repository a notification is about."""
    return _identity(api.read(Notification, await api.get(THREAD, what)))


@github.action(
    "notification.list",
    scopes={"github:notification:read"},
    effect=Effect.READ,
    resource=Searched(_as_it_is, _identity, canonical),
    vendor_scopes={"notifications:read"},
)
async def list_notifications(api: Upstream, query: ListNotifications) -> Page[Notification]:
    """List what the connected user should look at, newest first: unread ones, or all.

    Works for tokens of users only; an app's installation is refused with `upstream_forbidden`.
    """
    since = None if query.updated_since is None else iso(query.updated_since)
    params = paged(query, all=query.all, participating=query.participating, since=since)
    response = await api.get("/notifications", params=params)
    return Page[Notification](items=api.read(_LIST, response), next_cursor=next_page(response))


@github.action(
    "notification.get",
    scopes={"github:notification:read"},
    effect=Effect.READ,
    resource=Located(repository_of, canonical),
    vendor_scopes={"notifications:read"},
)
async def get_notification(api: Upstream, what: OneNotification) -> Notification:
    """Read one notification: what it is about, why it came, and whether it was read."""
    return api.read(Notification, await api.get(THREAD, what))


async def find_read(api: Upstream, what: OneNotification) -> Done | None:
    """Return `Done` if the notification is marked as read, else None."""
    thread = api.read(Notification, await api.get(THREAD, what))
    return None if thread.unread else Done()


@github.action(
    "notification.mark_read",
    scopes={"github:notification:write"},
    effect=Effect.UPDATE,
    resource=Located(repository_of, canonical),
    vendor_scopes={"notifications:write"},
    idempotency=Reconcile(find_read, settle=SETTLE, consistent=True),
    undo=Irreversible("GitHub cannot mark a notification as unread again."),
    examples=[{"thread": "1014"}],
)
async def mark_read(api: Upstream, what: OneNotification) -> Done:
    """Mark a notification as read, once what it asks for is done. New activity makes it unread again."""
    return api.done(await api.patch(THREAD, what))
