"""Where a request may go: host patterns, and the addresses that nothing may reach unless an operator opened them."""

import ipaddress
import re
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_TEREDO = ipaddress.ip_network("2001::/32")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


class HostPattern:
    """`api.github.com`, or `*.example.com` for one or more labels before a suffix."""

    __slots__ = ("_suffix", "text")

    def __init__(self, text: str) -> None:
        self.text = text.lower()
        self._suffix = self.text[1:] if self.text.startswith("*.") else None
        labels = (self._suffix or "." + self.text)[1:].split(".")
        if not all(_LABEL.match(label) for label in labels):
            raise ValueError(f"{text!r} is no host pattern: write `host.example` or `*.host.example`")

    def matches(self, host: str) -> bool:
        """Whether a host name (any case, no port) is one that the pattern means."""
        name = host.lower().rstrip(".")
        if self._suffix is None:
            return name == self.text
        return name.endswith(self._suffix) and len(name) > len(self._suffix)


def is_loopback(host: str) -> bool:
    """Whether a host, as a name or an address without a port, is this machine. No name but `localhost` is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(address: str, opened: Sequence[Network]) -> str | None:
    """Say why an IP address must not be reached, or None where it may be.

    Refuses private, loopback, link-local (the metadata services), CGNAT, multicast, reserved and unspecified
    addresses, also as IPv4-mapped, NAT64, 6to4 and Teredo forms, unless they lie in a network the operator opened.
    """
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return f"{address} is no IP address"
    for candidate in _embedded(ip):
        if any(candidate.version == net.version and candidate in net for net in opened):
            continue
        if not candidate.is_global or candidate.is_multicast:
            return f"{address} is not a public address"
    return None


def _embedded(ip: Address) -> list[Address]:
    """Return the address itself, or the IPv4 addresses that an IPv6 address leads to."""
    if ip.version == 4:
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if any(ip in net for net in _NAT64):
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    if ip in _SIX_TO_FOUR and ip.sixtofour is not None:
        return [ip.sixtofour]
    if ip in _TEREDO and ip.teredo is not None:
        return list(ip.teredo)
    return [ip]
