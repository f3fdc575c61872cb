"""What is asked for: many writes, each with an effect that can be told apart in the vendor's record."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import orjson

OWNER, REPO = "acme", "web"
ROOT = f"/repos/{OWNER}/{REPO}"
_PLACE: Mapping[str, Any] = {"owner": OWNER, "repo": REPO}
# Shares of a hundred calls; issues take what is left. GitHub takes the name of a branch or label only once.
_SHARES = {"comment": 14, "update": 10, "label": 8, "branch": 8}


@dataclass(frozen=True, slots=True)
class Planned:
    """One write. Its effect is the one at `path` that carries the call's marker or `mark`, or whose body has
    `body_sha256`; where the call alone changes what is at `path`, it is the one there.

    `unique` says that the vendor itself takes it only once, so that sending again settles it; `repeatable`, that it
    may also take it twice, since the second time changes nothing. `consistent` says that what a read does not show is
    not there.
    """

    key: str
    action: str
    input: Mapping[str, Any]
    path: str
    body_sha256: str | None = None
    unique: bool = False
    alone: bool = False
    mark: str | None = None
    repeatable: bool = False
    consistent: bool = True


def count_of_updates(calls: int) -> int:
    """Return how many issues a plan of so many calls changes."""
    return calls * _SHARES["update"] // 100


def plan(calls: int, seed: int, *, issues: Sequence[int], head: str, prefix: str | None = None) -> list[Planned]:
    """Return `calls` writes in a seeded order. `issues` are the numbers to change, `head` is a commit for branches.

    Keys, and the names that are taken once, begin with `prefix`.
    """
    prefix = prefix or f"chaos-{seed}"
    makers: dict[str, Callable[[str], Planned]] = {
        "issue": _issue,
        "comment": _comment,
        "update": partial(_update, iter(issues)),
        "label": _label,
        "branch": partial(_branch, head),
    }
    kinds = [kind for kind, share in _SHARES.items() for _ in range(calls * share // 100)]
    kinds += ["issue"] * (calls - len(kinds))
    random.Random(seed).shuffle(kinds)
    return [makers[kind](f"{prefix}-{number}") for number, kind in enumerate(kinds)]


def _issue(key: str) -> Planned:
    given = {**_PLACE, "title": f"Issue {key}", "body": "Written while things break."}
    return Planned(key, "github.issue.create", given, f"{ROOT}/issues")


def _comment(key: str) -> Planned:
    given = {**_PLACE, "number": 1, "body": f"Comment {key}"}
    return Planned(key, "github.comment.create", given, f"{ROOT}/issues/1/comments")


def _update(numbers: Iterator[int], key: str) -> Planned:
    number, title = next(numbers), f"Changed by {key}"
    given = {**_PLACE, "number": number, "title": title}
    return Planned(key, "github.issue.update", given, f"{ROOT}/issues/{number}", _digest({"title": title}))


def _label(key: str) -> Planned:
    sent = {"name": key, "color": "c5def5", "description": "Made while things break"}
    return Planned(key, "github.label.create", {**_PLACE, **sent}, f"{ROOT}/labels", _digest(sent), unique=True)


def _branch(head: str, key: str) -> Planned:
    given = {**_PLACE, "branch": key, "sha": head}
    sent = {"ref": f"refs/heads/{key}", "sha": head}
    return Planned(key, "github.branch.create", given, f"{ROOT}/git/refs", _digest(sent), unique=True)


def _digest(sent: Mapping[str, str]) -> str:
    """Return the digest of what GitHub is sent, in the order that the connector writes it."""
    return sha256(orjson.dumps(sent)).hexdigest()
