"""A stateful stand-in for GitHub: REST API 2022-11-28 and the OAuth endpoints, on loopback.

Shapes follow GitHub's official OpenAPI description; behaviour that it does not state (texts of refusals, rate
limits, token life) follows the REST documentation. It holds no logic of the gateway: PyGithub talks to it.
"""

from connectors.github.simulator.access import App, Installation, OAuthApp, Token
from connectors.github.simulator.limits import GITHUB_LIMITS, Limits
from connectors.github.simulator.server import GitHubSimulator

SIMULATOR = GitHubSimulator

__all__ = ["GITHUB_LIMITS", "SIMULATOR", "App", "GitHubSimulator", "Installation", "Limits", "OAuthApp", "Token"]
