"""Who a message may go to: recipients' domains.

Reads fewer addresses than RFC 5322 allows, on purpose: where two readers could disagree about the domain, the address
is refused.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_NAMED = re.compile(r"(?:\"[^\"\\<>@,;:\x00-\x1f\x7f]*\" *|[^\"\\<>@,;:\x00-\x1f\x7f]*)<([^<>\s]+)>")

# IDNA 2003 and 2008 read these differently, so the same name may be two domains.
_DEVIATIONS = frozenset("ß\u1e9eς\u200c\u200d")


def recipient_refused(domains: Iterable[str], addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses that are not at one of the domains, in the order given; empty means all may be used.

    `example.com` means that domain only, `*.example.com` any domain below it. An address is `local@domain` or
    `Name <local@domain>`; one that cannot be read for certain is refused.
    """
    exact, suffixes = _rules(domains)
    return tuple(address for address in addresses if not _allowed(address, exact, suffixes))


def domain_of(address: str) -> str | None:
    """Return the domain in its ASCII form and lower case, or None where the address cannot be read for certain."""
    text = address.strip(" ")
    if len(text) > 512:
        return None
    if "<" in text or ">" in text:
        named = _NAMED.fullmatch(text)
        if named is None:
            return None
        text = named.group(1)
    local, at, domain = text.partition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    return ascii_domain(domain)


def ascii_domain(domain: str) -> str | None:
    """Return a domain name in its ASCII form and lower case, or None where it is none that all readers agree on."""
    labels = [_ascii_label(label) for label in domain.split(".")]
    if len(labels) < 2 or None in labels:
        return None
    name = ".".join(label for label in labels if label is not None)
    return name if len(name) <= 253 and not labels[-1].isdigit() else None  # type: ignore[union-attr]


def domain_fault(rule: str) -> str | None:
    """Say what is wrong with a domain of a constraint, or None."""
    if ascii_domain(rule.removeprefix("*.")) is None:
        return "must be a domain such as `example.com`, or `*.example.com` for the domains below it"
    return None


def _rules(domains: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    exact: set[str] = set()
    suffixes: list[str] = []
    for rule in domains:
        name = ascii_domain(rule.removeprefix("*."))
        if name is None:
            continue
        if rule.startswith("*."):
            suffixes.append(f".{name}")
        else:
            exact.add(name)
    return frozenset(exact), tuple(suffixes)


def _allowed(address: str, exact: frozenset[str], suffixes: Sequence[str]) -> bool:
    domain = domain_of(address)
    return domain is not None and (domain in exact or domain.endswith(tuple(suffixes)))


def _ascii_label(label: str) -> str | None:
    lowered = label.lower()
    if not lowered.isascii():
        if unicodedata.normalize("NFKC", lowered) != lowered or not _DEVIATIONS.isdisjoint(lowered):
            return None
        try:
            lowered = lowered.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return lowered if _LABEL.fullmatch(lowered) else None
