"""What admins ask for, as strict models: unknown members are refused, times need an offset."""

import ipaddress
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.sdk.errors import InvalidInput, Issue
from gateway.clock import Clock, moment, stamp
from scopes.recipient import ascii_domain


class Wanted(BaseModel):
    """The body of a request that makes something."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(Wanted):
    """The body of a PATCH: only the members that are given change."""

    @model_validator(mode="after")
    def _says_something(self) -> "Change":
        if not self.model_fields_set:
            raise ValueError("name at least one member to change")
        return self

    def given(self) -> dict[str, Any]:
        """Return the members that were given."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    return moment(value)


def _cidr(value: str) -> str:
    return str(ipaddress.ip_network(value))


def _domain(value: str) -> str:
    plain = ascii_domain(value)
    if plain is None:
        raise ValueError("must be a domain such as example.com")
    return plain


Moment = Annotated[datetime, BeforeValidator(_moment)]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Title = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Field(max_length=2000)]
Reference = Annotated[str, Field(min_length=1, max_length=128)]
Cidrs = Annotated[list[Annotated[str, AfterValidator(_cidr)]], Field(max_length=100)]
Domain = Annotated[str, AfterValidator(_domain)]
Whole = Annotated[int, Field(strict=True)]


def future(at: datetime | None, clock: Clock, pointer: str = "/expires_at") -> str | None:
    """Return a moment to come as it is stored. Raises `InvalidInput` for one that has passed."""
    if at is None:
        return None
    if at <= clock.now():
        raise refused(pointer, "must be in the future")
    return stamp(at)


def refused(pointer: str, why: str, *, hint: str | None = None) -> InvalidInput:
    """Return the problem of one member of a body."""
    return InvalidInput(f"{pointer} {why}.", issues=[Issue(why, pointer=pointer)], hint=hint)
