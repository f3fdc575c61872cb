"""Sessions of the revisions before 2026-07-28. Nothing is kept of one: its id is a sealed token that says it all.

So any replica serves any request of it. It is good for a day, and for the agent that began it.
"""

import orjson

from connectors.sdk.errors import InvalidCursor
from gateway.call import Agent
from gateway.cursor import Cursors
from gateway.mcp.message import INVALID_REQUEST, Fault
from gateway.mcp.peer import EARLIER, Peer

SESSION = "Mcp-Session-Id"


class Sessions:
    """Makes session ids and reads them."""

    def __init__(self, seals: Cursors) -> None:
        self._seals = seals

    def begin(self, agent: Agent, peer: Peer) -> str:
        """Return the id of a new session."""
        # Of what a client can do, this alone decides anything; the rest may be large, and a header may not.
        kept: dict[str, object] = {"elicitation": {"url": {}}} if peer.opens_urls else {}
        return self._seals.seal(orjson.dumps([peer.revision, kept]).decode(), _binding(agent))

    def peer(self, agent: Agent, id: str | None, revision: str | None) -> Peer:
        """Return whose session it is; without an id, a client of the named revision that can do nothing special.

        Raises `Fault` 404 for a session that ended or is another agent's: the client begins a new one.
        """
        if id is None:
            return Peer(revision or EARLIER[-1], {})
        try:
            agreed, capabilities = orjson.loads(self._seals.open(id, _binding(agent)))
        except InvalidCursor as error:
            raise Fault(INVALID_REQUEST, "There is no such session: begin a new one.", status=404) from error
        if revision is not None and revision != agreed:
            raise Fault(INVALID_REQUEST, f"This session speaks {agreed}, the header says {revision}.", status=400)
        return Peer(agreed, capabilities)


def _binding(agent: Agent) -> str:
    return f"mcp session:{agent.tenant}:{agent.environment}:{agent.id}"
