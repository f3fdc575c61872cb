"""A stateful stand-in for Salesforce: REST API, SOQL and the OAuth endpoints, on loopback.

Salesforce publishes no description of its API that could judge requests, since each org has fields of its own. So the
simulator is strict: `checks` refuses values as the documentation says, `soql` is a parser with Salesforce's codes, and
`simple-salesforce`, a client of others, talks to it. It holds no logic of the gateway.
"""

from connectors.salesforce.simulator.access import OAuthApp, Token
from connectors.salesforce.simulator.limits import DEVELOPER_LIMITS, Limits
from connectors.salesforce.simulator.server import SalesforceSimulator

SIMULATOR = SalesforceSimulator

__all__ = ["DEVELOPER_LIMITS", "SIMULATOR", "Limits", "OAuthApp", "SalesforceSimulator", "Token"]
