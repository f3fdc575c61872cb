"""What an action declares about itself, besides its types.

Policy, retry, shadow, recovery, OpenAPI and the consent page all read these facts, so they cannot disagree.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What the action does to the vendor's system."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    SEND = "send"  # leaves the company: mail, a public comment
    PAY = "pay"
    PROVISION = "provision"  # identity and access


@dataclass(frozen=True, slots=True)
class Resource:
    """The thing that constraints match, as a template over the input's fields: `{owner}/{repo}`.

    `canonical` gives the one spelling of an identity that the vendor knows under several (case, short and long
    ids). It is applied to the rendered template and to every pattern that is compared with it.
    """

    template: str
    canonical: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Located:
    """A resource that only a read at the vendor determines, because the input has no more than an id.

    `read(api, input)` performs GET requests and returns the canonical identity.
    """

    read: Callable[[Any, Any], Awaitable[str]]
    canonical: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Searched:
    """A search over many resources. `narrow(input, patterns)` returns the input cut to what the patterns allow
    (or raises `ConstraintDenied`), `of(item)` the canonical identity of one item, checked again on the way back.
    """

    narrow: Callable[[Any, Sequence[str]], Any]
    of: Callable[[Any], str]
    canonical: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Unbound:
    """The action concerns no resource that a constraint could name. A grant with `resources` never covers it."""

    why: str


ResourceFact = Resource | Located | Searched | Unbound


@dataclass(frozen=True, slots=True)
class Native:
    """The vendor honours an idempotency key in `header` for `window`."""

    header: str
    window: timedelta


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """The vendor refuses a second record with the same `fields`, so sending again is safe.

    Before a repeat, and after one was refused as a duplicate, `find(api, input)` returns the record if it is the one
    that this call would have made, else None. It raises `OutcomeUnknown` where somebody else acted in between and a
    repeat could undo that: then nothing is sent again.
    """

    fields: tuple[str, ...]
    find: Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Reconcile:
    """`find(api, input)` reads whether the effect is there and returns the action's output, or None.

    `settle` is longer than the vendor can take to apply a request that it has received. `consistent` says that
    the read sees every applied write at once: only then may finding nothing permit a new send.
    """

    find: Callable[[Any, Any], Awaitable[Any]]
    settle: timedelta
    consistent: bool


@dataclass(frozen=True, slots=True)
class Safe:
    """Sending twice does what sending once does, also when somebody else acted in between."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknowable:
    """Nothing at the vendor tells whether the effect happened: an unanswered request stays unknown."""

    why: str


Idempotency = Native | NaturalKey | Reconcile | Safe | Unknowable


@dataclass(frozen=True, slots=True)
class Undo:
    """The action that takes the effect back."""

    action: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Irreversible:
    """The effect cannot be taken back."""

    why: str


@dataclass(frozen=True, slots=True)
class NothingToUndo:
    """A read."""


Reversibility = Undo | Irreversible | NothingToUndo
