"""Stage: constraints of the grants, on the resource and on the fields of a typed input.

Which grants cover a call depends on the resource; all that cover it apply together.
"""

from collections.abc import Awaitable, Callable, Sequence

from connectors.sdk import Located, Resource, Searched
from connectors.sdk.errors import ConstraintDenied, Issue
from connectors.sdk.facts import Effect, Unbound
from connectors.sdk.path import fields_of
from gateway.call import Bounded, Typed
from gateway.policy.risk import recipients_of
from scopes.constraint import amount_refused, denied_paths, masked_input_paths, recipient_refused
from scopes.grant import Combined, Grant, combine, for_resource, patterns

Locate = Callable[[Typed, Located], Awaitable[str]]


async def constrain(typed: Typed, grants: Sequence[Grant], locate: Locate) -> Bounded:
    """Return the call with the grants that cover it. Raises `ConstraintDenied`.

    `locate` performs the recorded read that finds the resource, where the input does not determine it; it is
    called only when a grant names resources.
    """
    fact = typed.target.action.resource
    bounds = patterns(grants)
    resource: str | None = None
    covering = list(grants)
    narrowed: tuple[str, ...] | None = None
    if isinstance(fact, Resource):
        resource = fact.canonical(_identity(fact.template, typed))
        covering = for_resource(grants, resource, fact.canonical)
    elif isinstance(fact, Searched):
        if bounds is not None:
            narrowed = tuple(pattern if pattern == "*" else fact.canonical(pattern) for pattern in bounds)
            typed.input = fact.narrow(typed.input, narrowed)
    elif isinstance(fact, Unbound):
        covering = for_resource(grants, None)
    elif any(grant.constraints.resources is not None for grant in grants):
        resource = fact.canonical(await locate(typed, fact))
        covering = for_resource(grants, resource, fact.canonical)
    if not covering:
        raise _outside(typed, resource, bounds)
    rules = combine(covering, typed.target.call.run)
    check_fields(typed, rules)
    return Bounded(typed, tuple(covering), rules, resource, narrowed)


def check_fields(typed: Typed, rules: Combined) -> None:
    """Check the fields of an input. Raises `ConstraintDenied` with the pointers."""
    value, action = typed.value, typed.target.action
    if rules.denied_fields:
        _refuse(denied_paths(value, rules.denied_fields), "a grant denies this field")
    if rules.redacted_fields and action.writes:
        _refuse(masked_input_paths(value, rules.redacted_fields), "this would write the redaction back over the value")
    for domains in rules.recipient_domains:
        _check_recipients(typed, domains)
    if rules.max_amount is not None:
        if action.amount is not None:
            why = amount_refused(rules.max_amount, value.get(action.amount))
            if why:
                raise ConstraintDenied(f"{why}.", issues=[Issue(pointer=f"/{action.amount}", message=why)])
        elif action.effect is Effect.PAY:
            raise ConstraintDenied("A grant bounds the amount, and this action does not say what it pays.")


def _check_recipients(typed: Typed, domains: tuple[str, ...]) -> None:
    action = typed.target.action
    if not action.recipients:
        if action.effect is Effect.SEND:
            raise ConstraintDenied("A grant bounds the recipients, and this action does not name them.")
        return
    refused = recipient_refused(domains, recipients_of(action, typed.value))
    if refused:
        raise ConstraintDenied(
            f"{len(refused)} recipients are outside the domains that a grant allows.",
            issues=[
                Issue(pointer=f"/{name}", message="a recipient is outside the domains allowed")
                for name in action.recipients
            ],
            hint=f"Allowed are: {', '.join(domains) or 'none'}.",
        )


def _identity(template: str, typed: Typed) -> str:
    return template.format_map({name: getattr(typed.input, name) for name in fields_of(template)})


def _outside(typed: Typed, resource: str | None, bounds: tuple[str, ...] | None) -> ConstraintDenied:
    allowed = ", ".join((bounds or ())[:10])
    what = f"{resource!r} is" if resource is not None else f"what {typed.target.action.name} concerns is"
    return ConstraintDenied(
        f"{what} outside the resources that this agent's grants name.", hint=f"The grants name: {allowed or 'none'}."
    )


def _refuse(pointers: Sequence[str], why: str) -> None:
    if pointers:
        raise ConstraintDenied(
            f"{pointers[0]}: {why}.", issues=[Issue(pointer=pointer, message=why) for pointer in pointers[:20]]
        )
