"""Scopes, grants and constraints: what may be done. Pure: no I/O, no clock, nothing but the standard library."""

from scopes.catalogue import Catalogue
from scopes.constraint import (
    JSON,
    REDACTED,
    Constraints,
    ConstraintSyntaxError,
    Fault,
    amount_refused,
    denied_paths,
    drop_fields,
    masked_input_paths,
    recipient_refused,
    redact_fields,
    resource_matches,
)
from scopes.grant import Autonomy, Combined, Grant, combine, covering, for_resource, patterns, rollout_autonomy
from scopes.scope import ACCESSES, Scope, ScopeSyntaxError, UnknownScope, expand, near_names, parse

__all__ = [
    "ACCESSES",
    "JSON",
    "REDACTED",
    "Autonomy",
    "Catalogue",
    "Combined",
    "ConstraintSyntaxError",
    "Constraints",
    "Fault",
    "Grant",
    "Scope",
    "ScopeSyntaxError",
    "UnknownScope",
    "amount_refused",
    "combine",
    "covering",
    "denied_paths",
    "drop_fields",
    "expand",
    "for_resource",
    "masked_input_paths",
    "near_names",
    "parse",
    "patterns",
    "recipient_refused",
    "redact_fields",
    "resource_matches",
    "rollout_autonomy",
]
