"""Records of several objects in one transaction. Source: REST API Developer Guide v67.0, "Composite".

Salesforce's composite takes any method and address. This one takes creates and upserts that name their object, so that
scopes and resources can be checked; it writes the addresses itself.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, TypeAdapter, model_validator

from connectors.salesforce.answers import code_of, told
from connectors.salesforce.batch import AllOrNone, Outcome
from connectors.salesforce.connector import API, API_SCOPE, salesforce
from connectors.salesforce.names import SOBJECTS, Key, OfObject, Values, each, sent
from connectors.salesforce.record_view import SETTLE, Saved, find_by_key, find_upserted
from connectors.salesforce.saving import ROLLED_BACK, Result, refused
from connectors.sdk import Effect, Input, Irreversible, Output, Reconcile, Upstream, UpstreamInvalidResponse
from connectors.sdk.errors import Issue

_REFERENCE = re.compile(r"@\{([A-Za-z][A-Za-z0-9_]{0,39})\.id\}")
Reference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$",
        description="A name for this record: later ones refer to its id with the value `@{NAME.id}`.",
    ),
]


class CreateStep(OfObject):
    """A record to create."""

    kind: Literal["create"] = Field(description="Create a record.")
    reference: Reference
    fields: Values
    key: Key | None = Field(default=None, description="An external id to set.")


class UpsertStep(OfObject):
    """A record to create, or to change where its external id is there."""

    kind: Literal["upsert"] = Field(description="Create or change a record by its external id.")
    reference: Reference
    key: Key = Field(description="The external id.")
    fields: Values

    @model_validator(mode="after")
    def _fits_a_path(self) -> "UpsertStep":
        if {".", "/", "\\", "%", "@"} & set(str(self.key.value)):
            raise ValueError("in a composite the value of an external id has no `.`, `/`, `\\`, `%` and `@`")
        return self


Step = Annotated[CreateStep | UpsertStep, Field(discriminator="kind")]


class RunComposite(Input):
    """The steps, in order."""

    steps: list[Step] = Field(min_length=1, max_length=25, description="Up to 25 records of any objects.")
    all_or_none: AllOrNone

    @model_validator(mode="after")
    def _refers_back(self) -> "RunComposite":
        known: set[str] = set()
        for step in self.steps:
            if step.reference in known:
                raise ValueError(f"two steps are called {step.reference}")
            values = [*step.fields.values(), *([step.key.value] if step.key else [])]
            for text in (one for value in values for one in (value if isinstance(value, list) else [value])):
                _check_reference(text, known)
            known.add(step.reference)
        return self


class StepOutcome(Outcome):
    """What became of one step."""

    reference: str
    kind: Literal["create", "upsert"]


class StepOutcomes(Output):
    """What became of all steps."""

    items: list[StepOutcome]


class _Answer(Output):
    status: int = Field(validation_alias="httpStatusCode")
    reference: str = Field(validation_alias="referenceId")
    body: Any = None


class _Answers(Output):
    answers: list[_Answer] = Field(validation_alias="compositeResponse")


_RESULT = TypeAdapter(Result)


def _check_reference(value: object, known: set[str]) -> None:
    """Salesforce replaces `@{...}` in any text: nothing but the id of an earlier step may stand there."""
    if not isinstance(value, str) or "@{" not in value:
        return
    found = _REFERENCE.fullmatch(value)
    if found is None or found.group(1) not in known:
        raise ValueError(
            "`@{` begins a reference: write `@{NAME.id}` with the name of an earlier step, as the whole value"
        )


def _identities(what: RunComposite) -> list[str]:
    return [step.object if isinstance(step, CreateStep) else f"{step.object}/*" for step in what.steps]


def _identity(item: StepOutcome) -> str:
    """Return what `_identities` gave for the step, with the id of the record that an upsert has found."""
    return item.object if item.kind == "create" else f"{item.object}/{item.id or '*'}"


async def find_run(api: Upstream, what: RunComposite) -> StepOutcomes | None:
    """Return the records if this call made them, else None. Known where each has an external id."""
    items: list[StepOutcome] = []
    for step in what.steps:
        found = await _find(api, step)
        if found is None:
            return None
        items.append(_done(step, found.id, created=found.created))
    return StepOutcomes(items=items)


async def _find(api: Upstream, step: CreateStep | UpsertStep) -> Saved | None:
    values = {name: value for name, value in step.fields.items() if not _refers(value)}
    if isinstance(step, CreateStep):
        return await find_by_key(api, step.object, step.key, values)
    return await find_upserted(api, step.object, step.key, values)


def _refers(value: object) -> bool:
    return isinstance(value, str) and value.startswith("@{")


@salesforce.action(
    "composite.run",
    scopes={"salesforce:record:write", "salesforce:record:admin"},
    effect=Effect.UPDATE,
    resource=each(_identities, _identity),
    vendor_scopes=API_SCOPE,
    idempotency=Reconcile(find_run, settle=SETTLE, consistent=False),
    undo=Irreversible("Its records can be changed back or deleted one by one; read them before."),
    records="steps",
    examples=[
        {
            "steps": [
                {
                    "kind": "upsert",
                    "reference": "globex",
                    "object": "Account",
                    "key": {"field": "Gateway_Key__c", "value": "crm-7"},
                    "fields": {"Name": "Globex"},
                },
                {
                    "kind": "create",
                    "reference": "ana",
                    "object": "Contact",
                    "key": {"field": "Gateway_Key__c", "value": "crm-7-1"},
                    "fields": {"LastName": "Silva", "AccountId": "@{globex.id}"},
                },
            ],
            "all_or_none": True,
        }
    ],
)
async def run_composite(api: Upstream, what: RunComposite) -> StepOutcomes:
    """Create and upsert up to 25 records of several objects in one request, where later ones can refer to earlier ones.

    A grant must name each object (`Contact` to create) or all its records (`Account/*` to upsert). A lost answer can
    be settled where each record has a `key`.
    """
    body = {
        "allOrNone": what.all_or_none,
        "collateSubrequests": False,
        "compositeRequest": [_request(step) for step in what.steps],
    }
    found = api.read(_Answers, await api.post(API + "/composite", json=body)).answers
    by_name = {answer.reference: answer for answer in found}
    if set(by_name) != {step.reference for step in what.steps}:
        raise UpstreamInvalidResponse("Salesforce answers for other steps than it was given.")
    pairs = [(step, by_name[step.reference]) for step in what.steps]
    if what.all_or_none and any(answer.status >= 300 for _, answer in pairs):
        raise _all_refused([answer for _, answer in pairs])
    return StepOutcomes(items=[_outcome(step, answer) for step, answer in pairs])


def _request(step: CreateStep | UpsertStep) -> dict[str, object]:
    values = sent(step.fields)
    url = f"{SOBJECTS}/{step.object}"
    if isinstance(step, CreateStep):
        if step.key is not None:
            values[step.key.field] = step.key.value
        return {"method": "POST", "url": url, "referenceId": step.reference, "body": values}
    url += f"/{step.key.field}/{quote(str(step.key.value), safe='')}"
    return {"method": "PATCH", "url": url, "referenceId": step.reference, "body": values}


def _outcome(step: CreateStep | UpsertStep, answer: _Answer) -> StepOutcome:
    if answer.status >= 300:
        code, reason = _said(answer)
        return StepOutcome(
            object=step.object, reference=step.reference, kind=step.kind, success=False, code=code, reason=reason
        )
    result = _RESULT.validate_python(answer.body) if isinstance(answer.body, dict) else None
    if result is None or not result.id:
        raise UpstreamInvalidResponse("Salesforce reports success and names no record.")
    created = True if isinstance(step, CreateStep) else result.created
    return _done(step, result.id, created=created)


def _done(step: CreateStep | UpsertStep, id: str, *, created: bool | None) -> StepOutcome:
    return StepOutcome(
        object=step.object, reference=step.reference, kind=step.kind, id=id, success=True, created=created
    )


def _faults(answer: _Answer) -> list[dict[str, Any]]:
    body = answer.body
    return [one for one in (body if isinstance(body, list) else [body]) if isinstance(one, dict)]


def _said(answer: _Answer) -> tuple[str, str]:
    faults = _faults(answer)
    if answer.status == 300:
        return "DUPLICATE_EXTERNAL_ID", "several records have this external id"
    code = next(filter(None, map(code_of, faults)), None) or str(answer.status)
    return code, "; ".join(filter(None, map(told, faults)))[:500] or code


def _all_refused(answers: Sequence[_Answer]) -> Exception:
    issues: list[Issue] = []
    first: list[dict[str, Any]] = []
    for index, answer in enumerate(answers):
        code, text = _said(answer)
        if answer.status >= 300 and code not in ROLLED_BACK:
            issues.append(Issue(pointer=f"/steps/{index}", message=f"{code}: {text}"))
            first = first or _faults(answer) or [{"errorCode": code, "message": text}]
    return refused(200, first, issues[:20])
