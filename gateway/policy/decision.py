"""What may be decided of a call. Policy as code will return the same four values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allow:
    """Run it."""

    reasons: tuple[str, ...] = ()
    effect = "allow"


@dataclass(frozen=True, slots=True)
class Ask:
    """Park it until an approver decides."""

    reasons: tuple[str, ...] = ()
    effect = "ask"


@dataclass(frozen=True, slots=True)
class Shadow:
    """Render it and send nothing."""

    reasons: tuple[str, ...] = ()
    effect = "shadow"


@dataclass(frozen=True, slots=True)
class Deny:
    """Refuse it."""

    reasons: tuple[str, ...] = ()
    effect = "deny"


Decision = Allow | Ask | Shadow | Deny
