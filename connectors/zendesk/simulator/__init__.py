"""A stateful stand-in for Zendesk Support: Ticketing API v2 and the OAuth endpoints, on loopback.

Shapes follow Zendesk's official OpenAPI description; behaviour that it does not state (texts of refusals, rate
limits, token life, idempotency) follows the developer documentation. It holds no logic of the gateway: Zenpy talks
to it.
"""

from connectors.zendesk.simulator.access import OAuthClient, Token
from connectors.zendesk.simulator.limits import ZENDESK_LIMITS, Limits
from connectors.zendesk.simulator.server import ZendeskSimulator

SIMULATOR = ZendeskSimulator

__all__ = ["SIMULATOR", "ZENDESK_LIMITS", "Limits", "OAuthClient", "Token", "ZendeskSimulator"]
