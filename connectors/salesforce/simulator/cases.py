"""An org with something of everything, and one valid input for every action of the Salesforce connector.

`arrange(simulator)` fills the simulated org without leaving a trace in its record of effects, and returns the inputs by
action name. The contract suite runs every action with them.
"""

from typing import Any

from connectors.salesforce.simulator.seed import add
from connectors.salesforce.simulator.server import SalesforceSimulator
from connectors.salesforce.simulator.world import World, suffixed


def key(value: str) -> dict[str, Any]:
    """Return an external id."""
    return {"field": "Gateway_Key__c", "value": value}


def first(world: World, object: str) -> str:
    """Return the id of the first record of an object."""
    return next(world.of(object)).id


def arrange(simulator: SalesforceSimulator) -> dict[str, dict[str, Any]]:
    """Fill the world and return one valid input for every action."""
    world, then = simulator.world, simulator.clock() - 7_200
    account, contact, lead = first(world, "Account"), first(world, "Contact"), first(world, "Lead")
    spare = [add(world, "Lead", then, LastName=f"Spare {number}", Company="Hooli").id for number in range(2)]
    case, task, deal = first(world, "Case"), first(world, "Task"), first(world, "Opportunity")
    return {
        **_records(account, contact, lead),
        **_many(contact, spare),
        **_sales(account, deal),
        **_service(account, contact, case, task),
        "salesforce.feed.post": {"object": "Account", "id": account, "text": "They renew in May."},
        "salesforce.object.describe": {"object": "Invoice__c", "fields": ["Amount__c", "Region__c"]},
        "salesforce.object.list": {"custom": True},
        "salesforce.org.get_limits": {},
        "salesforce.user.me": {},
    }


def aliases(simulator: SalesforceSimulator) -> dict[str, list[dict[str, Any]]]:
    """Return other spellings of the same: objects in any case, ids with 15 characters and with 18 in any case."""
    spelled: dict[str, list[dict[str, Any]]] = {}
    for name, value in arrange(simulator).items():
        named = {"object": str(value["object"]).upper()} if "object" in value else {}
        ids = [member for member in ("id", "case", "task", "opportunity") if member in value]
        found = [named] if named else []
        for member in ids:
            full = suffixed(value[member][:15])
            found += [{**named, member: full[:15]}, {**named, member: full.lower()}]
        if found:
            spelled[name] = found
    return spelled


def _records(account: str, contact: str, lead: str) -> dict[str, dict[str, Any]]:
    invoice = {"Name": "INV-2", "Amount__c": 120.5, "Due__c": "2026-12-24", "Region__c": "South", "Paid__c": False}
    return {
        "salesforce.record.create": {
            "object": "Invoice__c",
            "fields": {**invoice, "Tags__c": ["vip", "new"], "Sent_At__c": "2026-11-22T10:00:00+01:00"},
            "key": key("order-17"),
        },
        "salesforce.record.delete": {"object": "Lead", "id": lead},
        "salesforce.record.get": {"object": "Account", "id": account, "fields": ["Name", "Phone"]},
        "salesforce.record.get_by_external_id": {"object": "Account", "key": key("crm-7")},
        "salesforce.record.query": {
            "object": "Contact",
            "fields": ["Name", "Account.Name"],
            "where": [
                {"field": "CreatedDate", "op": "ge", "value": {"relative": "LAST_N_DAYS:30"}},
                {
                    "any": [
                        {"field": "LastName", "op": "starts_with", "value": "Sil"},
                        {"all": [{"field": "Email", "op": "contains", "value": "@initech"}]},
                    ]
                },
            ],
            "order": [{"field": "LastName", "descending": True}],
        },
        "salesforce.record.search": {
            "text": "Glob*",
            "scope": "NAME",
            "objects": [{"object": "Account", "fields": ["Name"]}, {"object": "Contact"}],
        },
        "salesforce.record.update": {
            "object": "Contact",
            "id": contact[:15],
            "fields": {"Phone": "+4930123456", "Title": "Head of Printing"},
            "if_unmodified_since": "2036-01-01T00:00:00Z",
        },
        "salesforce.record.upsert": {
            "object": "Account",
            "key": key("crm-7"),
            "fields": {"Name": "Globex AG", "NumberOfEmployees": 12},
        },
    }


def _many(contact: str, leads: list[str]) -> dict[str, dict[str, Any]]:
    return {
        "salesforce.composite.run": {
            "steps": [
                {
                    "kind": "upsert",
                    "reference": "hooli",
                    "object": "Account",
                    "key": key("crm-9"),
                    "fields": {"Name": "Hooli"},
                },
                {
                    "kind": "create",
                    "reference": "dora",
                    "object": "Contact",
                    "key": key("crm-9-1"),
                    "fields": {"LastName": "Diaz", "AccountId": "@{hooli.id}"},
                },
            ],
            "all_or_none": True,
        },
        "salesforce.record.create_many": {
            "object": "Lead",
            "records": [
                {"LastName": "One", "Company": "Hooli", "Gateway_Key__c": "l-1"},
                {"LastName": "Two", "Company": "Hooli", "Gateway_Key__c": "l-2"},
            ],
            "key_field": "Gateway_Key__c",
            "all_or_none": True,
        },
        "salesforce.record.delete_many": {"object": "Lead", "ids": leads, "all_or_none": True},
        "salesforce.record.update_many": {
            "object": "Contact",
            "records": [{"id": contact, "fields": {"Title": "CTO"}}],
            "all_or_none": False,
        },
        "salesforce.record.upsert_many": {
            "object": "Contact",
            "key_field": "Gateway_Key__c",
            "records": [
                {"Gateway_Key__c": "crm-7-1", "LastName": "Silva", "Title": "CEO"},
                {"Gateway_Key__c": "crm-7-2", "LastName": "Neu"},
            ],
            "all_or_none": False,
        },
    }


def _sales(account: str, deal: str) -> dict[str, dict[str, Any]]:
    return {
        "salesforce.account.upsert": {
            "key": key("crm-8"),
            "name": "Wayne",
            "phone": "+491",
            "website": "https://wayne.example",
            "industry": "Banking",
            "description": "Old money.",
            "fields": {"NumberOfEmployees": 7},
        },
        "salesforce.contact.upsert": {
            "key": key("crm-7-1"),
            "last_name": "Silva",
            "first_name": "Ana Maria",
            "email": "ana.maria@globex.example",
            "title": "CEO",
            "account_id": account,
        },
        "salesforce.lead.upsert": {
            "key": key("form-9"),
            "last_name": "Okafor",
            "company": "Initech",
            "email": "o@initech.example",
            "status": "Working - Contacted",
            "source": "Web",
        },
        "salesforce.opportunity.create": {
            "name": "Globex: renewal",
            "stage": "Qualification",
            "close_date": "2027-02-01",
            "amount": "2400.50",
            "account_id": account,
            "key": key("deal-2"),
        },
        "salesforce.opportunity.update_stage": {
            "opportunity": deal,
            "stage": "Closed Won",
            "close_date": "2026-12-01",
            "amount": "1150",
        },
    }


def _service(account: str, contact: str, case: str, task: str) -> dict[str, dict[str, Any]]:
    return {
        "salesforce.case.comment": {"case": case, "body": "The customer called."},
        "salesforce.case.create": {
            "subject": "Order toner",
            "description": "Twelve of them.",
            "priority": "Low",
            "origin": "Email",
            "contact_id": contact,
            "account_id": account,
            "email": "ana@globex.example",
            "key": key("case-2"),
        },
        "salesforce.case.list_comments": {"case": case},
        "salesforce.case.reply": {"case": case, "body": "It is on its way."},
        "salesforce.case.update": {"case": case, "status": "Working", "priority": "High"},
        "salesforce.task.complete": {"task": task},
        "salesforce.task.create": {
            "subject": "Call Ana",
            "due": "2026-12-01",
            "priority": "High",
            "description": "About the toner.",
            "who_id": contact,
            "what_id": account,
            "key": key("task-2"),
        },
    }
