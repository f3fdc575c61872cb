"""Accounts, contacts and leads, as another system knows them: upserts by external id.

Source: Object Reference for Salesforce v67.0, "Account", "Contact", "Lead".
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from connectors.salesforce import describe
from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.further import Email, Further, Text
from connectors.salesforce.ids import canonical
from connectors.salesforce.names import Key, RecordId
from connectors.salesforce.record import locate_by_key
from connectors.salesforce.record_view import Saved, find_upserted
from connectors.salesforce.saving import upsert
from connectors.sdk import Effect, Located, NaturalKey, Undo, Upstream


class UpsertAccount(Further):
    """A company."""

    NAMES: ClassVar = {
        "name": "Name",
        "phone": "Phone",
        "website": "Website",
        "industry": "Industry",
        "description": "Description",
    }

    key: Key = Field(description="Its id in another system.")
    name: Text = Field(description="The company's name.")
    phone: Annotated[str, Field(max_length=40)] | None = Field(default=None, description="With the country.")
    website: Text | None = Field(default=None, description="Its address on the web.")
    industry: Text | None = Field(default=None, description="A value of the picklist.")
    description: str | None = Field(default=None, max_length=32_000, description="What people should know.")


class UpsertContact(Further):
    """A person at a company."""

    NAMES: ClassVar = {
        "last_name": "LastName",
        "first_name": "FirstName",
        "email": "Email",
        "phone": "Phone",
        "title": "Title",
        "account_id": "AccountId",
    }

    key: Key = Field(description="Its id in another system.")
    last_name: Annotated[str, Field(min_length=1, max_length=80)] = Field(description="The family name.")
    first_name: Annotated[str, Field(max_length=40)] | None = Field(default=None, description="The given name.")
    email: Email | None = Field(default=None, description="The e-mail address.")
    phone: Annotated[str, Field(max_length=40)] | None = Field(default=None, description="With the country.")
    title: Annotated[str, Field(max_length=128)] | None = Field(default=None, description="What the person does.")
    account_id: RecordId | None = Field(default=None, description="The company's record.")


class UpsertLead(Further):
    """Somebody who may become a customer."""

    NAMES: ClassVar = {
        "last_name": "LastName",
        "company": "Company",
        "first_name": "FirstName",
        "email": "Email",
        "phone": "Phone",
        "status": "Status",
        "source": "LeadSource",
    }

    key: Key = Field(description="Its id in another system.")
    last_name: Annotated[str, Field(min_length=1, max_length=80)] = Field(description="The family name.")
    company: Text = Field(description="Where the person works.")
    first_name: Annotated[str, Field(max_length=40)] | None = Field(default=None, description="The given name.")
    email: Email | None = Field(default=None, description="The e-mail address.")
    phone: Annotated[str, Field(max_length=40)] | None = Field(default=None, description="With the country.")
    status: Text | None = Field(default=None, description="A value of the picklist; the org's default for new ones.")
    source: Text | None = Field(default=None, description="Where it comes from: a value of `LeadSource`.")


def _by_key(name: str) -> Located:
    async def read(api: Upstream, what: Any) -> str:
        return await locate_by_key(api, name, what.key)

    return Located(read, canonical=canonical)


async def find_account(api: Upstream, what: UpsertAccount) -> Saved | None:
    """Return the account if this upsert was applied. See `record_view.find_upserted`."""
    return await find_upserted(api, "Account", what.key, what.values())


@salesforce.action(
    "account.upsert",
    scopes={"salesforce:sales:write"},
    effect=Effect.UPDATE,
    resource=_by_key("Account"),
    vendor_scopes=API_SCOPE,
    idempotency=NaturalKey(("key",), find_account),
    custom=describe.more_of("Account", describe.read_both),
    undo=Undo("salesforce.record.update", note="Send the former values; a new record is deleted instead."),
    examples=[{"key": {"field": "Gateway_Key__c", "value": "crm-7"}, "name": "Globex", "phone": "+4930123456"}],
)
async def upsert_account(api: Upstream, what: UpsertAccount) -> Saved:
    """Create the account (company) with an external id, or change it where it is there."""
    return await upsert(api, "Account", what.key, what.values())


async def find_contact(api: Upstream, what: UpsertContact) -> Saved | None:
    """Return the contact if this upsert was applied. See `record_view.find_upserted`."""
    return await find_upserted(api, "Contact", what.key, what.values())


@salesforce.action(
    "contact.upsert",
    scopes={"salesforce:sales:write"},
    effect=Effect.UPDATE,
    resource=_by_key("Contact"),
    vendor_scopes=API_SCOPE,
    idempotency=NaturalKey(("key",), find_contact),
    custom=describe.more_of("Contact", describe.read_both),
    undo=Undo("salesforce.record.update", note="Send the former values; a new record is deleted instead."),
    examples=[{"key": {"field": "Gateway_Key__c", "value": "crm-7-1"}, "last_name": "Silva", "first_name": "Ana"}],
)
async def upsert_contact(api: Upstream, what: UpsertContact) -> Saved:
    """Create the contact (a person at a company) with an external id, or change it where it is there."""
    return await upsert(api, "Contact", what.key, what.values())


async def find_lead(api: Upstream, what: UpsertLead) -> Saved | None:
    """Return the lead if this upsert was applied. See `record_view.find_upserted`."""
    return await find_upserted(api, "Lead", what.key, what.values())


@salesforce.action(
    "lead.upsert",
    scopes={"salesforce:sales:write"},
    effect=Effect.UPDATE,
    resource=_by_key("Lead"),
    vendor_scopes=API_SCOPE,
    idempotency=NaturalKey(("key",), find_lead),
    custom=describe.more_of("Lead", describe.read_both),
    undo=Undo("salesforce.record.update", note="Send the former values; a new record is deleted instead."),
    examples=[{"key": {"field": "Gateway_Key__c", "value": "form-9"}, "last_name": "Wong", "company": "Initech"}],
)
async def upsert_lead(api: Upstream, what: UpsertLead) -> Saved:
    """Create the lead with an external id, or change it where it is there. Assignment rules can notify people."""
    return await upsert(api, "Lead", what.key, what.values())
