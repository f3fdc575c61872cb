"""Writes over four connectors, mixed. Each has an effect that can be told apart in its vendor's record."""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from bench.chaos.plan import Planned
from bench.chaos.plan import plan as plan_github
from bench.chaos.replicas.vendors import Vendors

_JIRA, _ZENDESK, _SALESFORCE = "/rest/api/3", "/api/v2", "/services/data/v67.0/sobjects"
# Of sixteen calls; each connector has four.
_SHARES = {
    **{"github": 4, "jira_issue": 1, "jira_comment": 2, "jira_update": 1},
    **{"zendesk_ticket": 2, "zendesk_comment": 1, "zendesk_update": 1},
    **{"salesforce_upsert": 2, "salesforce_create": 1, "salesforce_update": 1},
}
_IN_ALL = sum(_SHARES.values())
# A look for a comment reads what was written beside it since, so they do not all go to one place.
_PLACES = 12


@dataclass(slots=True)
class Targets:
    """What calls change, made behind the gateway's back: each is changed by one call; comments share a few."""

    github: list[int] = field(default_factory=list[int])
    head: str = ""
    jira: deque[str] = field(default_factory=deque[str])
    jira_places: list[str] = field(default_factory=list[str])
    zendesk: deque[int] = field(default_factory=deque[int])
    zendesk_places: list[int] = field(default_factory=list[int])
    salesforce: deque[str] = field(default_factory=deque[str])


async def targets(vendors: Vendors, calls: int) -> Targets:
    """Make what a plan of so many calls changes."""
    each = calls // _IN_ALL + 1
    github, jira = vendors.each["github"], vendors.each["jira"]
    zendesk, salesforce = vendors.each["zendesk"], vendors.each["salesforce"]
    issue = {"fields": {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "Prepared"}}
    ticket = {"ticket": {"subject": "Prepared", "comment": {"body": "Prepared", "public": False}}}
    found = Targets(head=await github.head())
    found.github = await github.make_issues(calls // 4 + 1)
    issues = [await jira.ask("POST", f"{_JIRA}/issue", issue) for _ in range(each + _PLACES)]
    found.jira.extend(one["key"] for one in issues[_PLACES:])
    found.jira_places = [one["key"] for one in issues[:_PLACES]]
    tickets = [await zendesk.ask("POST", f"{_ZENDESK}/tickets", ticket) for _ in range(each + _PLACES)]
    found.zendesk.extend(one["ticket"]["id"] for one in tickets[_PLACES:])
    found.zendesk_places = [one["ticket"]["id"] for one in tickets[:_PLACES]]
    for _ in range(each):
        made = await salesforce.ask("POST", f"{_SALESFORCE}/Account", {"Name": "Prepared"})
        found.salesforce.append(made["id"])
    return found


def plan(calls: int, seed: int, prefix: str, found: Targets) -> list[Planned]:
    """Return `calls` writes in a seeded order, with keys that begin with `prefix`."""
    kinds = [kind for kind, share in _SHARES.items() for _ in range(calls * share // _IN_ALL)]
    kinds += ["jira_comment"] * (calls - len(kinds))
    github = iter(plan_github(kinds.count("github"), seed, issues=found.github, head=found.head, prefix=f"{prefix}-gh"))
    drawn = random.Random(seed)
    drawn.shuffle(kinds)
    numbers = count()
    makers: Mapping[str, Callable[[str], Planned]] = {
        "jira_issue": _jira_issue,
        "jira_comment": partial(_jira_comment, drawn, found),
        "jira_update": partial(_jira_update, found),
        "zendesk_ticket": _zendesk_ticket,
        "zendesk_comment": partial(_zendesk_comment, drawn, found),
        "zendesk_update": partial(_zendesk_update, found),
        "salesforce_upsert": _salesforce_upsert,
        "salesforce_create": _salesforce_create,
        "salesforce_update": partial(_salesforce_update, found),
    }
    return [next(github) if kind == "github" else makers[kind](f"{prefix}-{next(numbers)}") for kind in kinds]


def _jira_issue(key: str) -> Planned:
    given = {"project": "OPS", "type": "Task", "summary": f"Issue {key}"}
    # Only the search index lists issues, and it lags.
    return Planned(key, "jira.issue.create", given, f"{_JIRA}/issue", consistent=False)


def _jira_comment(drawn: random.Random, found: Targets, key: str) -> Planned:
    issue = drawn.choice(found.jira_places)
    given = {"issue": issue, "body": f"Comment {key}"}
    return Planned(key, "jira.comment.create", given, f"{_JIRA}/issue/{issue}/comment")


def _jira_update(found: Targets, key: str) -> Planned:
    issue = found.jira.popleft()
    given = {"issue": issue, "summary": f"Changed by {key}"}
    return Planned(key, "jira.issue.update", given, f"{_JIRA}/issue/{issue}", alone=True)


def _zendesk_ticket(key: str) -> Planned:
    given = {"subject": f"Ticket {key}", "body": "Written while things break."}
    # Zendesk itself keeps the key: sending again settles it.
    return Planned(key, "zendesk.ticket.create", given, f"{_ZENDESK}/tickets", unique=True)


def _zendesk_comment(drawn: random.Random, found: Targets, key: str) -> Planned:
    ticket = drawn.choice(found.zendesk_places)
    given: dict[str, Any] = {"ticket_id": ticket, "body": f"Note {key}"}
    return Planned(key, "zendesk.comment.create", given, f"{_ZENDESK}/tickets/{ticket}", consistent=False)


def _zendesk_update(found: Targets, key: str) -> Planned:
    ticket = found.zendesk.popleft()
    given: dict[str, Any] = {"ticket_id": ticket, "subject": f"Changed by {key}"}
    path = f"{_ZENDESK}/tickets/{ticket}"
    return Planned(key, "zendesk.ticket.update", given, path, alone=True, consistent=False)


def _salesforce_upsert(key: str) -> Planned:
    given = {"key": {"field": "Gateway_Key__c", "value": key}, "object": "Account", "fields": {"Name": f"Acme {key}"}}
    path = f"{_SALESFORCE}/Account/Gateway_Key__c/{key}"
    return Planned(key, "salesforce.record.upsert", given, path, alone=True, unique=True, repeatable=True)


def _salesforce_create(key: str) -> Planned:
    given = {"object": "Contact", "fields": {"LastName": key}, "key": {"field": "Gateway_Key__c", "value": key}}
    path = f"{_SALESFORCE}/Contact"
    return Planned(key, "salesforce.record.create", given, path, mark=key, consistent=False)


def _salesforce_update(found: Targets, key: str) -> Planned:
    record = found.salesforce.popleft()
    given = {"object": "Account", "id": record, "fields": {"Phone": key}}
    path = f"{_SALESFORCE}/Account/{record}"
    return Planned(key, "salesforce.record.update", given, path, alone=True, consistent=False)
