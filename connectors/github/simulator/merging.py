"""Trees against each other: what a pull request changes, and whether it can be merged."""

import difflib
from dataclasses import dataclass

from connectors.github.simulator.world import Pull, Repository, Tree


@dataclass(frozen=True, slots=True)
class Change:
    """A file that differs between two trees."""

    path: str
    status: str
    blob: str
    additions: int
    deletions: int
    patch: str


def merge_base(repository: Repository, pull: Pull) -> str:
    """Return the newest commit that both branches hold."""
    base = repository.ancestors(pull.base_sha)
    return next((sha for sha in repository.ancestors(pull.head_sha) if sha in base), pull.base_sha)


def changes(repository: Repository, before: Tree, after: Tree) -> list[Change]:
    """Return what is different, by path."""
    differing = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return [_change(repository, path, before.get(path), after.get(path)) for path in differing]


def _change(repository: Repository, path: str, old: str | None, new: str | None) -> Change:
    status = "added" if old is None else "removed" if new is None else "modified"
    lines = list(difflib.unified_diff(_lines(repository, old), _lines(repository, new), lineterm="", n=3))[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    return Change(path, status, new or old or "", added, removed, "\n".join(lines))


def _lines(repository: Repository, blob: str | None) -> list[str]:
    return repository.blobs[blob].decode("utf-8", "replace").splitlines() if blob else []


def conflicting(repository: Repository, pull: Pull) -> bool:
    """Whether both sides changed a file, differently."""
    start, head, base = _three(repository, pull)
    return any(
        base.get(path) != start.get(path) and base.get(path) != head.get(path)
        for path in {*start, *head}
        if head.get(path) != start.get(path)
    )


def merged_tree(repository: Repository, pull: Pull) -> dict[str, str]:
    """Return the base's tree with what the head changed."""
    start, head, base = _three(repository, pull)
    merged = dict(base)
    for path in {*start, *head}:
        if head.get(path) != start.get(path):
            if path in head:
                merged[path] = head[path]
            else:
                merged.pop(path, None)
    return merged


def _three(repository: Repository, pull: Pull) -> tuple[Tree, Tree, Tree]:
    start = repository.commits[merge_base(repository, pull)].tree
    head = repository.commits[repository.branches.get(pull.head_ref, pull.head_sha)].tree
    base = repository.commits[repository.branches.get(pull.base_ref, pull.base_sha)].tree
    return start, head, base
