"""Constraints of a grant: which resources, recipients, fields, amounts and how many records.

Data and its strict reading from JSON; the caller's values are judged by `resource_matches`, `amount_refused` and by
the functions of `field` and `recipient`, which are named here too.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from scopes.field import JSON, REDACTED, denied_paths, drop_fields, masked_input_paths, redact_fields
from scopes.recipient import domain_fault, recipient_refused

_AMOUNT = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,18})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MOST_ENTRIES = 500
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with constraints: RFC 6901 pointer and what to write instead."""

    pointer: str
    message: str


class ConstraintSyntaxError(ValueError):
    """The JSON is no constraints. `faults` names everything that is wrong at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Take at least one fault."""
        super().__init__("; ".join(f"{fault.pointer or '/'} {fault.message}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a grant allows of what its scopes allow. None means: not constrained.

    `resources` are patterns of canonical identities, `max_amount` is in the unit of the action's amount.
    """

    resources: tuple[str, ...] | None = None
    recipient_domains: tuple[str, ...] | None = None
    denied_fields: tuple[str, ...] = ()
    redacted_fields: tuple[str, ...] = ()
    max_amount: Decimal | None = None
    max_records_per_hour: int | None = None

    @classmethod
    def from_json(cls, value: object) -> "Constraints":
        """Read the JSON form. Unknown members are refused. Raises `ConstraintSyntaxError` with all faults."""
        if not isinstance(value, Mapping):
            raise ConstraintSyntaxError([Fault("", "must be an object")])
        return _Reader(cast("Mapping[object, object]", value)).read()

    def to_json(self) -> dict[str, JSON]:
        """Return the JSON form, all members present; the amount is a decimal string."""
        return {
            "resources": None if self.resources is None else [*self.resources],
            "recipient_domains": None if self.recipient_domains is None else [*self.recipient_domains],
            "denied_fields": [*self.denied_fields],
            "redacted_fields": [*self.redacted_fields],
            "max_amount": None if self.max_amount is None else format(self.max_amount, "f"),
            "max_records_per_hour": self.max_records_per_hour,
        }


def resource_matches(pattern: str, identity: str) -> bool:
    """Whether a pattern means an identity, both in canonical spelling.

    Segments are parted by `/`; `*` as a whole segment means exactly one that is not empty, a lone `*` everything.
    """
    if pattern == "*":
        return True
    wanted, given = pattern.split("/"), identity.split("/")
    if len(wanted) != len(given):
        return False
    return all(theirs != "" if mine == "*" else mine == theirs for mine, theirs in zip(wanted, given, strict=True))


def amount_refused(most: Decimal, value: object) -> str | None:
    """Say why an amount is refused, or None. An amount that is missing or no plain decimal string is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return "the amount must be stated as a decimal string, because a grant bounds it"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if not _AMOUNT.fullmatch(text):
        return "the amount must be a plain decimal that is not negative, because a grant bounds it"
    return f"the amount {text} is over the grant's {format(most, 'f')}" if Decimal(text) > most else None


class _Reader:
    """Reads one JSON object and collects what is wrong with it."""

    def __init__(self, value: Mapping[object, object]) -> None:
        self._value = value
        self._faults: list[Fault] = []

    def read(self) -> Constraints:
        names = Constraints.__dataclass_fields__
        for name in self._value:
            if name not in names:
                self._fault(f"/{_escaped(str(name))}", f"is not known; known are {', '.join(names)}")
        result = Constraints(
            resources=self._strings("resources", resource_fault, least=1),
            recipient_domains=self._strings("recipient_domains", domain_fault, least=0),
            denied_fields=self._strings("denied_fields", field_fault, least=0) or (),
            redacted_fields=self._strings("redacted_fields", field_fault, least=0) or (),
            max_amount=self._amount("max_amount"),
            max_records_per_hour=self._count("max_records_per_hour"),
        )
        if self._faults:
            raise ConstraintSyntaxError(self._faults)
        return result

    def _strings(self, name: str, fault: Callable[[str], str | None], *, least: int) -> tuple[str, ...] | None:
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            self._fault(f"/{name}", "must be a list of strings, or left out")
            return None
        items = cast("Sequence[object]", value)
        if not least <= len(items) <= _MOST_ENTRIES:
            self._fault(f"/{name}", f"must have {least} to {_MOST_ENTRIES} entries; leave it out for no bound")
        found: list[str] = []
        for index, item in enumerate(items[:_MOST_ENTRIES]):
            wrong = _text_fault(item) or fault(str(item))
            if wrong:
                self._fault(f"/{name}/{index}", wrong)
            else:
                found.append(str(item))
        return tuple(found)

    def _amount(self, name: str) -> Decimal | None:
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
            self._fault(f"/{name}", 'must be a decimal string that is not negative, such as "250.00"')
            return None
        return Decimal(value)

    def _count(self, name: str) -> int | None:
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000_000:
            self._fault(f"/{name}", "must be a whole number from 1 to 1000000000")
            return None
        return value

    def _fault(self, pointer: str, message: str) -> None:
        self._faults.append(Fault(pointer, message))


def resource_fault(pattern: str) -> str | None:
    """Say what is wrong with a resource pattern, or None."""
    if any(part == "" or ("*" in part and part != "*") for part in pattern.split("/")):
        return "must be segments parted by `/`, none empty, with `*` only as a whole segment, such as `acme/*`"
    return None


def field_fault(field: str) -> str | None:
    """Say what is wrong with the name of a field, or None."""
    if "*" in field or "/" in field or any(not part for part in field.split(".")):
        return "must be the name of a field or a dotted path of names, such as `user.email`"
    return None


def _text_fault(item: object) -> str | None:
    if not isinstance(item, str) or not 1 <= len(item) <= _LONGEST or item.strip() != item or _CONTROL.search(item):
        return f"must be a string of 1 to {_LONGEST} visible characters"
    return None


def _escaped(key: str) -> str:
    return key[:64].replace("~", "~0").replace("/", "~1")


__all__ = [
    "JSON",
    "REDACTED",
    "ConstraintSyntaxError",
    "Constraints",
    "Fault",
    "amount_refused",
    "denied_paths",
    "domain_fault",
    "drop_fields",
    "field_fault",
    "masked_input_paths",
    "recipient_refused",
    "redact_fields",
    "resource_fault",
    "resource_matches",
]
