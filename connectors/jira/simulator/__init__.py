"""A stateful stand-in for Jira Cloud: the platform REST API v3 (and v2), and Atlassian's OAuth, on loopback.

Shapes follow Atlassian's official OpenAPI description; behaviour that it does not state (texts of refusals, rate
limits, token life) follows the developer documentation. It holds no logic of the gateway: the SDK `jira` talks to it.
"""

from connectors.jira.simulator.access import OAuthApp, Token
from connectors.jira.simulator.limits import JIRA_LIMITS, Limits
from connectors.jira.simulator.server import JiraSimulator

SIMULATOR = JiraSimulator

__all__ = ["JIRA_LIMITS", "SIMULATOR", "JiraSimulator", "Limits", "OAuthApp", "Token"]
