"""The first state: the org `Acme`, its users, standard objects and the custom object `Invoice__c`, some records."""

from typing import Any

from connectors.salesforce.simulator.access import USERNAME
from connectors.salesforce.simulator.schema import Field, SObject
from connectors.salesforce.simulator.world import Row, World

_KEY = Field("Gateway_Key__c", "string", "Gateway Key", 255, external_id=True, unique=True)
_ACCOUNT = Field("AccountId", "reference", "Account ID", 18, references=("Account",), relationship="Account")
_CONTACT = Field("ContactId", "reference", "Contact ID", 18, references=("Contact",), relationship="Contact")
_LONG = Field("Description", "textarea", "Description", 32_000, filterable=False)
_DERIVED: dict[str, Any] = {"createable": False, "updateable": False}
_PERSON = (
    Field("FirstName", "string", "First Name", 40),
    Field("LastName", "string", "Last Name", 80, required=True),
    Field("Name", "string", "Full Name", 121, **_DERIVED),
    Field("Email", "email", "Email", 80),
    Field("Phone", "phone", "Phone", 40),
)
_STAGES = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost")


def _objects() -> tuple[SObject, ...]:
    return (
        SObject("Account", "Account", "001", _account()),
        SObject("Contact", "Contact", "003", (*_PERSON, Field("Title", "string", "Title", 128), _ACCOUNT, _KEY)),
        SObject("Lead", "Lead", "00Q", _lead()),
        SObject("Opportunity", "Opportunity", "006", _opportunity()),
        SObject("Case", "Case", "500", _case()),
        SObject("CaseComment", "Case Comment", "00a", _comment(), owned=False),
        SObject("Task", "Task", "00T", _task()),
        SObject("User", "User", "005", _user(), writable=False, owned=False),
        SObject("FeedItem", "Feed Item", "0D5", _feed(), writable=False, owned=False),
        SObject("Invoice__c", "Invoice", "a00", _invoice()),
    )


def _account() -> tuple[Field, ...]:
    industries = ("Banking", "Energy", "Manufacturing", "Technology")
    return (
        Field("Name", "string", "Account Name", 255, required=True),
        Field("Phone", "phone", "Account Phone", 40),
        Field("Website", "url", "Website", 255),
        Field("Industry", "picklist", "Industry", 255, choices=industries),
        Field("AnnualRevenue", "currency", "Annual Revenue", precision=18, scale=0),
        Field("NumberOfEmployees", "int", "Employees", precision=8),
        _LONG,
        _KEY,
        Field("Legacy_Id__c", "string", "Legacy Id", 40, external_id=True),
    )


def _lead() -> tuple[Field, ...]:
    statuses = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
    return (
        *_PERSON,
        Field("Company", "string", "Company", 255, required=True),
        Field("Status", "picklist", "Lead Status", 255, default=statuses[0], choices=statuses),
        Field("LeadSource", "picklist", "Lead Source", 255, choices=("Web", "Phone Inquiry", "Partner", "Other")),
        _KEY,
    )


def _opportunity() -> tuple[Field, ...]:
    return (
        Field("Name", "string", "Name", 120, required=True),
        Field("StageName", "picklist", "Stage", 255, required=True, choices=_STAGES),
        Field("CloseDate", "date", "Close Date", required=True),
        Field("Amount", "currency", "Amount", precision=18, scale=2),
        Field("IsClosed", "boolean", "Closed", **_DERIVED),
        Field("IsWon", "boolean", "Won", **_DERIVED),
        _ACCOUNT,
        _KEY,
    )


def _case() -> tuple[Field, ...]:
    return (
        Field("CaseNumber", "string", "Case Number", 30, **_DERIVED),
        Field("Subject", "string", "Subject", 255),
        Field("Status", "picklist", "Status", 255, default="New", choices=("New", "Working", "Escalated", "Closed")),
        Field("Priority", "picklist", "Priority", 255, default="Medium", choices=("High", "Medium", "Low")),
        Field("Origin", "picklist", "Case Origin", 255, choices=("Phone", "Email", "Web")),
        Field("SuppliedEmail", "email", "Web Email", 80),
        Field("IsClosed", "boolean", "Closed", **_DERIVED),
        _LONG,
        _ACCOUNT,
        _CONTACT,
        _KEY,
    )


def _comment() -> tuple[Field, ...]:
    return (
        Field("ParentId", "reference", "Parent ID", 18, required=True, references=("Case",), relationship="Parent"),
        Field("CommentBody", "textarea", "Body", 4_000, filterable=False),
        Field("IsPublished", "boolean", "Published"),
    )


def _task() -> tuple[Field, ...]:
    about = ("Account", "Opportunity", "Case", "Invoice__c")
    done = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
    return (
        Field("Subject", "string", "Subject", 255),
        Field("Status", "picklist", "Status", 255, default="Not Started", choices=done),
        Field("Priority", "picklist", "Priority", 255, default="Normal", choices=("High", "Normal", "Low")),
        Field("ActivityDate", "date", "Due Date Only"),
        Field("WhoId", "reference", "Name ID", 18, references=("Contact", "Lead")),
        Field("WhatId", "reference", "Related To ID", 18, references=about),
        _LONG,
        _KEY,
    )


def _user() -> tuple[Field, ...]:
    return (*_PERSON, Field("Username", "string", "Username", 80), Field("IsActive", "boolean", "Active", default=True))


def _feed() -> tuple[Field, ...]:
    return (
        Field("ParentId", "string", "Parent ID", 18),
        Field("Body", "textarea", "Body", 10_000, filterable=False),
        Field("Type", "string", "Type", 40),
    )


def _invoice() -> tuple[Field, ...]:
    account = ("Account",)
    return (
        Field("Name", "string", "Invoice Name", 80, required=True),
        Field("Amount__c", "currency", "Amount", precision=16, scale=2, required=True),
        Field("Discount__c", "percent", "Discount", precision=5, scale=2),
        Field("Quantity__c", "double", "Quantity", precision=18, scale=0),
        Field("Due__c", "date", "Due"),
        Field("Sent_At__c", "datetime", "Sent At"),
        Field("Paid__c", "boolean", "Paid"),
        Field("Region__c", "picklist", "Region", 255, choices=("North", "South"), restricted=True),
        Field("Tags__c", "multipicklist", "Tags", 4_099, choices=("new", "late", "vip"), restricted=True),
        Field("Notes__c", "textarea", "Notes", 1_000, filterable=False),
        Field("Website__c", "url", "Website", 255),
        Field("Contact_Email__c", "email", "Contact Email", 80),
        Field("Contact_Phone__c", "phone", "Contact Phone", 40),
        Field("Account__c", "reference", "Account", 18, references=account, relationship="Account__r"),
        Field("Number__c", "double", "Number", precision=18, scale=0, external_id=True, unique=True),
        _KEY,
    )


def seeded(now: float) -> World:
    """Return a fresh world. Nothing in it counts as an effect, and all of it is a day old."""
    world = World()
    for made in _objects():
        world.add_object(made)
    then = now - 86_400
    world.user = add(world, "User", then, FirstName="Acme", LastName="Agent", Username=USERNAME, Email=USERNAME).id
    for first, last in (("Berta", "Hill"), ("Carl", "Wong")):
        address = f"{first.lower()}@acme.example"
        add(world, "User", then, FirstName=first, LastName=last, Username=address, Email=address)
    globex = add(world, "Account", then, Name="Globex", Industry="Energy", Gateway_Key__c="crm-7", Phone="+49301")
    initech = add(world, "Account", then, Name="Initech", Industry="Technology", Legacy_Id__c="L-1")
    add(world, "Account", then, Name="Umbrella", Legacy_Id__c="L-1")
    ana = add(
        world,
        "Contact",
        then,
        FirstName="Ana",
        LastName="Silva",
        Email="ana@globex.example",
        AccountId=globex.id,
        Gateway_Key__c="crm-7-1",
    )
    add(world, "Contact", then, FirstName="Carl", LastName="Wong", Email="carl@initech.example", AccountId=initech.id)
    add(world, "Lead", then, FirstName="Dora", LastName="Diaz", Company="Hooli", Email="dora@hooli.example")
    deal = {"StageName": "Prospecting", "CloseDate": "2027-03-01", "AccountId": globex.id}
    add(world, "Opportunity", then, Name="Globex: 12 seats", Amount=1200.5, **deal)
    case = add(world, "Case", then, Subject="My printer is on fire", Origin="Phone", ContactId=ana.id)
    add(world, "CaseComment", then, ParentId=case.id, CommentBody="The smoke is colourful.")
    add(world, "Task", then, Subject="Call Ana back", WhoId=ana.id, WhatId=globex.id, ActivityDate="2027-01-10")
    invoice = {"Amount__c": 99.5, "Due__c": "2027-01-31", "Region__c": "North", "Account__c": globex.id}
    add(world, "Invoice__c", then, Name="INV-1", Gateway_Key__c="inv-1", Number__c=17, **invoice)
    return world


def add(world: World, object: str, at: float, **values: Any) -> Row:
    """Put a record in, without checks."""
    return world.insert(world.objects[object.lower()], values, world.user, at)
