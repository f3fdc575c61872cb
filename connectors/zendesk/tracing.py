"""Finding again what a call has written.

Comments carry the call's marker in the metadata of their audit, which neither customers nor agents are shown, and no
text is touched. Zendesk does not say that its reads show a write at once, so not finding it never permits a new send.
Source: Zendesk developer documentation, "Creating and updating tickets", section "Setting metadata"; "Ticket audits".
"""

from datetime import datetime, timedelta

from pydantic import Field

from connectors.sdk import Output, Upstream

SETTLE = timedelta(seconds=75)
_SKEW = timedelta(seconds=60)
_KEY = "gatehouse"
_AUDIT = "/api/v2/tickets/{ticket_id}/audits/{audit_id}"


class _Custom(Output):
    gatehouse: str | None = None


class _Metadata(Output):
    custom: _Custom = Field(default_factory=_Custom)


class _Audit(Output):
    metadata: _Metadata = Field(default_factory=_Metadata)


class _Audited(Output):
    audit: _Audit


def metadata(api: Upstream) -> dict[str, object]:
    """Return the member of a ticket that leaves the marker; none where the call has no marker."""
    return {"metadata": {_KEY: api.marker}} if api.marker else {}


def is_before(api: Upstream, moment: datetime) -> bool:
    """Whether something was made before the call, with room for clocks that differ."""
    return api.since is not None and moment < api.since - _SKEW


async def carries_marker(api: Upstream, ticket_id: int, audit_id: int) -> bool:
    """Whether this call made the audit."""
    answer = await api.get(_AUDIT, {"ticket_id": ticket_id, "audit_id": audit_id})
    return api.read(_Audited, answer).audit.metadata.custom.gatehouse == api.marker
