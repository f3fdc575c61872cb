"""What a token is for, and what a token is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.sdk.hosts import HostPattern
from credentials.certificate import ClientCertificate
from credentials.store import Where

MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A connection as far as its tokens need it.

    `title` is the vendor's name for messages, `api_root` the absolute address below which the API lies (with the
    connector's base path), `origin` the web origin where people log in. Neither ends in a slash. `hosts` are those
    that the connector declares.
    """

    where: Where
    title: str
    api_root: str
    origin: str
    hosts: tuple[HostPattern, ...] = ()

    def owns(self, url: str) -> bool:
        """Whether an address is below the connection's own origins, or https at a declared host without a port."""
        try:
            parts = urlsplit(url)
            own = {urlsplit(mine)[:2] for mine in (self.api_root, self.origin)}
            plain = parts.scheme == "https" and parts.netloc == (parts.hostname or "") and parts.netloc.isascii()
        except ValueError:
            return False
        if (parts.scheme, parts.netloc) in own:
            return True
        return plain and any(pattern.matches(parts.netloc) for pattern in self.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token and how a request carries it.

    `expires_at` is None where the vendor does not say; `granted` are the vendor scopes, None where it does not tell.
    `version` is that of the credential which it came from, `root` the API's root as the token's answer named it.
    `certificate` is what TLS shows along with it.
    """

    value: str = field(repr=False)
    header: str
    form: str
    expires_at: datetime | None
    version: int
    granted: frozenset[str] | None = None
    root: str | None = None
    certificate: ClientCertificate | None = None

    def header_value(self) -> str:
        """Return what the header `header` holds."""
        return self.form.replace("{token}", self.value)

    def good_at(self, now: datetime) -> bool:
        """Whether the token lasts for at least another minute, as far as the vendor said, and its certificate too."""
        ends = (self.expires_at, self.certificate.until if self.certificate is not None else None)
        return all(end is None or now + MARGIN <= end for end in ends)


@dataclass(frozen=True, slots=True)
class Obtained:
    """What a vendor's token endpoint gave. `refresh_token` is None where the old one stays."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    granted: frozenset[str] | None = None
    root: str | None = None


class TokenRefused(Exception):
    """The vendor looked at the credential and said no. `reason` is one of our words, never the vendor's text."""

    def __init__(self, reason: str) -> None:
        """Say why."""
        super().__init__(reason)
        self.reason = reason


class ForeignAnswer(TokenRefused):
    """The vendor gave tokens and named an issuer or an API that is none of the connector's: they are not used.

    `obtained` is kept only so that it can be revoked.
    """

    def __init__(self, reason: str, obtained: Obtained) -> None:
        """Say why."""
        super().__init__(reason)
        self.obtained = obtained


class NotProcessed(Exception):
    """The vendor turned the request away before it looked at the credential. `seconds` is how long to wait."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        """Say why."""
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


def usable(token: object) -> str | None:
    """Return the token if a header can carry it: visible ASCII, at most 16 KiB."""
    if isinstance(token, str) and 0 < len(token) <= 16384 and all("!" <= char <= "~" for char in token):
        return token
    return None


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`, where it is a number."""
    text = headers.get("retry-after", "").strip()
    return min(float(text), 86400.0) if text.isascii() and text.isdigit() else None
