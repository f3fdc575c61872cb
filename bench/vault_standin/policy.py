"""Policies: parsed from HCL, and which of their rules holds for a path.

Source: Vault, "Policies", sections "Policy syntax", "Templated policies" and "Priority matching".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.vault_standin.refusal import invalid

CAPABILITIES = frozenset({"create", "read", "update", "patch", "delete", "list", "sudo", "deny"})
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_RULE = re.compile(r'\s*path\s+"([^"]*)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}')
_TEMPLATE = re.compile(r"\{\{identity\.entity\.aliases\.([A-Za-z0-9_]+)\.name\}\}")


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done at a path pattern."""

    path: str
    capabilities: frozenset[str]


def parse(text: str) -> tuple[Rule, ...]:
    """Return a policy's rules. Refuses what it does not understand, so that no rule is silently lost."""
    rest = _COMMENT.sub("", text)
    rules: list[Rule] = []
    while rest.strip():
        found = _RULE.match(rest)
        if found is None:
            raise invalid(f"failed to parse policy: near {rest.strip()[:40]!r}")
        names = frozenset(name.strip().strip('"') for name in found[2].split(",") if name.strip())
        if not names or names - CAPABILITIES:
            raise invalid(f"failed to parse policy: path {found[1]!r}: invalid capability")
        rules.append(Rule(found[1], names))
        rest = rest[found.end() :]
    return tuple(rules)


def allowed(policies: Iterable[tuple[Rule, ...]], path: str, aliases: Mapping[str, str]) -> frozenset[str]:
    """Return the capabilities at a path. `aliases` are the entity's names by mount accessor, for templates.

    The most specific pattern alone decides; where policies share it their capabilities add up, and `deny` wins.
    """
    found: dict[str, frozenset[str]] = {}
    for rule in (rule for policy in policies for rule in policy):
        pattern = _filled(rule.path, aliases)
        if pattern is not None and _matches(pattern, path):
            found[pattern] = found.get(pattern, frozenset()) | rule.capabilities
    if not found:
        return frozenset()
    best = found[max(found, key=_priority)]
    return frozenset() if "deny" in best else best


def _filled(path: str, aliases: Mapping[str, str]) -> str | None:
    """Fill a template; a rule whose template names what the entity does not have holds for nothing."""
    if not all(accessor in aliases for accessor in _TEMPLATE.findall(path)):
        return None
    filled = _TEMPLATE.sub(lambda part: aliases[part[1]], path)
    return None if "{{" in filled else filled


def _matches(pattern: str, path: str) -> bool:
    glob = pattern.endswith("*")
    wanted, there = pattern.removesuffix("*").split("/"), path.split("/")
    if len(wanted) > len(there) or (not glob and len(wanted) != len(there)):
        return False
    last = len(wanted) - 1
    return all(
        part == "+" or (there[at].startswith(part) if glob and at == last else there[at] == part)
        for at, part in enumerate(wanted)
    )


def _priority(pattern: str) -> tuple[int, bool, int, int, str]:
    """Order patterns as Vault does: a wildcard that comes later, no glob, fewer `+`, longer, lexically greater."""
    first = min((at for at in (pattern.find("+"), pattern.find("*")) if at >= 0), default=len(pattern) + 1)
    return first, not pattern.endswith("*"), -pattern.count("+"), len(pattern), pattern
