"""Opportunities: deals, with a stage, a day and an amount. Source: Object Reference v67.0, "Opportunity"."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field

from connectors.salesforce import describe
from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.further import Further, Text
from connectors.salesforce.names import RECORD, Key, RecordId, Stamp, guarded, new_of, record_of, sent
from connectors.salesforce.record import KEY
from connectors.salesforce.record_view import SETTLE, Saved, find_by_key, holds, traces
from connectors.salesforce.saving import create
from connectors.sdk import Effect, Input, Reconcile, Undo, Upstream

Amount = Annotated[str, Field(pattern=r"^[0-9]{1,16}(\.[0-9]{1,2})?$")]
_AMOUNT = "In the org's currency, as in `1200.50`."
Day = Annotated[date, Field(strict=False)]


class CreateOpportunity(Further):
    """The deal to open."""

    NAMES: ClassVar = {
        "name": "Name",
        "stage": "StageName",
        "close_date": "CloseDate",
        "amount": "Amount",
        "account_id": "AccountId",
    }

    name: Annotated[str, Field(min_length=1, max_length=120)] = Field(description="What it is called.")
    stage: Text = Field(description="A stage of the org: `Prospecting`.")
    close_date: Day = Field(description="The day when it should be won.")
    amount: Amount | None = Field(default=None, description=_AMOUNT)
    account_id: RecordId | None = Field(default=None, description="The company's record.")
    key: Key | None = Field(default=None, description=KEY)


class UpdateStage(Input):
    """Where a deal stands now."""

    opportunity: RecordId
    stage: Text = Field(description="A stage of the org: `Closed Won`.")
    close_date: Day | None = Field(default=None, description="Another day.")
    amount: Amount | None = Field(default=None, description=_AMOUNT)
    if_unmodified_since: Stamp = None


def _values(given: CreateOpportunity) -> dict[str, Any]:
    amount = {"Amount": Decimal(given.amount)} if given.amount is not None else {}
    return {**given.values(), **amount}


def _moved(what: UpdateStage) -> dict[str, Any]:
    sets = {
        "StageName": what.stage,
        "CloseDate": what.close_date,
        "Amount": Decimal(what.amount) if what.amount is not None else None,
    }
    return {name: value for name, value in sets.items() if value is not None}


async def find_created(api: Upstream, new: CreateOpportunity) -> Saved | None:
    """Return the opportunity with the key if this call created it; without a key nothing tells."""
    return await find_by_key(api, "Opportunity", new.key, _values(new))


@salesforce.action(
    "opportunity.create",
    scopes={"salesforce:opportunity:write"},
    effect=Effect.CREATE,
    resource=new_of("Opportunity"),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    custom=describe.more_of("Opportunity", describe.read_new),
    undo=Undo("salesforce.record.delete"),
    amount="amount",
    examples=[{"name": "Globex: 12 seats", "stage": "Prospecting", "close_date": "2026-12-24", "amount": "1200.50"}],
)
async def create_opportunity(api: Upstream, new: CreateOpportunity) -> Saved:
    """Open an opportunity (a deal) with its stage and the day when it should be won. Forecasts count it."""
    key = {new.key.field: new.key.value} if new.key else {}
    return await create(api, "Opportunity", {**_values(new), **key})


async def find_moved(api: Upstream, what: UpdateStage) -> Saved | None:
    """Return the opportunity if it has the stage and what else was sent, else None."""
    values = _moved(what)
    found = await traces(api, "Opportunity", "Id", [what.opportunity], values)
    same = any(not trace.deleted and holds(trace.record, values) for trace in found)
    return Saved(object="Opportunity", id=what.opportunity, created=False) if same else None


@salesforce.action(
    "opportunity.update_stage",
    scopes={"salesforce:opportunity:write"},
    effect=Effect.UPDATE,
    resource=record_of("Opportunity", "opportunity"),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_moved, settle=SETTLE, consistent=False),
    undo=Undo("salesforce.opportunity.update_stage", note="Send the former stage; flows may have done more."),
    amount="amount",
    examples=[{"opportunity": "006000000000001AAA", "stage": "Closed Won", "amount": "1150"}],
)
async def update_stage(api: Upstream, what: UpdateStage) -> Saved:
    """Move an opportunity to another stage, with another day or amount if need be. Forecasts follow."""
    names = {"object": "Opportunity", "id": what.opportunity}
    headers = guarded(what.if_unmodified_since)
    api.done(await api.patch(RECORD, names, json=sent(_moved(what)), headers=headers))
    return Saved(object="Opportunity", id=what.opportunity, created=False)
