"""One consent: what its pages say, who acts by its link, and whether the vendor's answer may be taken."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from credentials import authorize

from connectors.sdk import Connector
from connectors.sdk.auth import OAuthUser
from connectors.sdk.connector import origin_of
from gateway.admin.authorizing import Needs
from gateway.admin.code_exchange import ConsentRefused
from gateway.admin.control import By
from gateway.admin.oauth_sessions import OAuthSession
from gateway.call import Connection
from gateway.clock import stamp
from gateway.upstream.tokens import target_of

_LONGEST_CODE = 4096
_ERRORS: Mapping[str, str] = {
    "access_denied": "the request was declined",
    "invalid_scope": "it does not give what was asked for",
    "unauthorized_client": "the client may not ask for this",
    "server_error": "it reports a failure of its own",
    "temporarily_unavailable": "it is not available for now",
}


@dataclass(frozen=True, slots=True)
class ByLink(By):
    """Somebody with a link that an admin made. `address` is the browser's."""

    session: str

    def shown(self) -> dict[str, object]:
        """Return the public form."""
        return {**By.shown(self), "by_link": self.session}


@dataclass(frozen=True, slots=True)
class Consent:
    """A session with all that its pages say."""

    session: OAuthSession
    tenant: str
    connector: Connector
    method: OAuthUser
    connection: Connection
    needs: Needs


@dataclass(frozen=True, slots=True)
class Sent:
    """Where to send a browser, and the secret that it keeps until it comes back."""

    url: str = field(repr=False)
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser came back with."""

    state: str = field(repr=False)
    code: str | None = field(repr=False, default=None)
    error: str | None = None
    issuer: str | None = None


def judge(consent: Consent, returned: Returned, browser: bytes, now: datetime) -> str:
    """Return the code of an answer that belongs to this browser (a hash) and comes from this vendor.

    Raises `ConsentRefused`; the answer's state is used up all the same.
    """
    session, title = consent.session, consent.connector.title
    if not hmac.compare_digest(session.browser or b"", browser):
        raise ConsentRefused(
            "Another browser",
            "This answer belongs to a browser that was sent to the vendor, and this is not the one.",
            status=403,
            hint="Open the link that you were given, and finish in the same browser.",
        )
    if (session.step_until or "") <= stamp(now):
        raise ConsentRefused("That took too long", "Ten minutes have passed. Open the link again.", status=410)
    _check_issuer(consent, returned)
    if returned.error is not None:
        why = _ERRORS.get(returned.error, "it reports an error")
        raise ConsentRefused("Nothing was connected", f"{title} gave no access: {why}.", hint="Open the link again.")
    if not returned.code or len(returned.code) > _LONGEST_CODE:
        raise ConsentRefused("This answer cannot be used", f"{title} sent no code.", status=400)
    return returned.code


def _check_issuer(consent: Consent, returned: Returned) -> None:
    """Hold `iss` against what the vendor declares (RFC 9207), so that no vendor's code goes to another.

    Where nothing is declared, a given one must still be at the vendor: at the authorize URL or a declared host.
    """
    target, declared = target_of(consent.connector, consent.connection), consent.method.issuer
    if declared is not None:
        fits = returned.issuer == authorize.address(declared, target)
    else:
        at = replace(target, origin=origin_of(authorize.address(consent.method.authorize_url, target)))
        fits = returned.issuer is None or at.owns(returned.issuer)
    if not fits:
        title = consent.connector.title
        raise ConsentRefused("Another vendor", f"This answer does not come from {title}.", status=400)


def browser_secret(secret: str) -> str:
    """Return what is hashed of a browser's cookie; the other secrets are hashed as something else."""
    return f"oauth browser {secret}"
