"""Who watches an issue, and so gets mail about it. Source: Jira Cloud platform REST API v3, "Issue watchers"."""

from pydantic import Field

from connectors.jira.connector import READ, WRITE, jira
from connectors.jira.names import ISSUE, OF_ISSUE, AccountId, OfIssue, Person
from connectors.jira.tracing import SETTLE
from connectors.sdk import Done, Effect, Output, Page, Reconcile, Undo, Upstream

WATCHERS = ISSUE + "/watchers"


class OneWatcher(OfIssue):
    """Somebody and an issue."""

    account: AccountId


class _Watchers(Output):
    # Never left out, unlike the list: an answer without it is none of Jira's, and no issue without watchers.
    watching: bool = Field(validation_alias="isWatching")
    watchers: list[Person] = Field(default_factory=list[Person])


async def _now(api: Upstream, what: OfIssue) -> list[Person]:
    return api.read(_Watchers, await api.get(WATCHERS, what)).watchers


async def _watches(api: Upstream, what: OneWatcher) -> bool:
    return any(person.account_id == what.account for person in await _now(api, what))


@jira.action(
    "watcher.list",
    scopes={"jira:watcher:read"},
    effect=Effect.READ,
    resource=OF_ISSUE,
    vendor_scopes=READ,
)
async def list_watchers(api: Upstream, what: OfIssue) -> Page[Person]:
    """List who watches an issue."""
    return Page[Person](items=await _now(api, what))


async def find_added(api: Upstream, what: OneWatcher) -> Done | None:
    """Return `Done` if the person watches the issue, else None."""
    return Done() if await _watches(api, what) else None


@jira.action(
    "watcher.add",
    scopes={"jira:watcher:write"},
    effect=Effect.UPDATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_added, settle=SETTLE, consistent=True),
    undo=Undo("jira.watcher.remove"),
    examples=[{"issue": "OPS-1", "account": "5b10ac8d82e05b22cc7d4ef5"}],
)
async def add_watcher(api: Upstream, what: OneWatcher) -> Done:
    """Let somebody watch an issue: they get mail about it from then on."""
    return api.done(await api.post(WATCHERS, what, json=what.account))


async def find_removed(api: Upstream, what: OneWatcher) -> Done | None:
    """Return `Done` if the person does not watch the issue, else None."""
    return None if await _watches(api, what) else Done()


@jira.action(
    "watcher.remove",
    scopes={"jira:watcher:write"},
    effect=Effect.UPDATE,
    resource=OF_ISSUE,
    vendor_scopes=WRITE,
    idempotency=Reconcile(find_removed, settle=SETTLE, consistent=True),
    undo=Undo("jira.watcher.add"),
    examples=[{"issue": "OPS-1", "account": "5b10ac8d82e05b22cc7d4ef5"}],
)
async def remove_watcher(api: Upstream, what: OneWatcher) -> Done:
    """Stop somebody from watching an issue."""
    return api.done(await api.delete(WATCHERS, what, params={"accountId": what.account}))
