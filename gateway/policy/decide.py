"""Stage: decide. The grants' autonomy speaks now; policy as code joins here and may only be stricter."""

from collections.abc import Sequence
from typing import Protocol

from connectors.sdk import Action
from gateway.policy.decision import Allow, Ask, Decision, Deny, Shadow
from gateway.policy.risk import Risk
from scopes.grant import Autonomy, Combined

_STRICTNESS = {Allow: 0, Ask: 1, Shadow: 2, Deny: 3}


class PolicyRule(Protocol):
    """A rule over declared facts. Pure: it sees no credential and sends nothing."""

    def judge(self, action: Action, rules: Combined, risk: Risk, resource: str | None) -> Decision:
        """Return the rule's decision."""
        ...


class AutonomyRule:
    """Reads run; effects follow the strictest autonomy of the grants that cover the call."""

    def judge(self, action: Action, rules: Combined, risk: Risk, resource: str | None) -> Decision:
        """Return what the grants' autonomy says."""
        del risk, resource
        if rules.autonomy is Autonomy.SHADOW:
            return Shadow(("a grant lets this agent only shadow",))
        if rules.autonomy is Autonomy.APPROVE and action.writes:
            return Ask(("a grant asks for an approval of every effect",))
        return Allow(("granted",))


def decide(
    policies: Sequence[PolicyRule], action: Action, rules: Combined, risk: Risk, resource: str | None
) -> Decision:
    """Return the strictest decision of all policies."""
    decisions = [policy.judge(action, rules, risk, resource) for policy in policies]
    return max(decisions, key=lambda decision: _STRICTNESS[type(decision)])
