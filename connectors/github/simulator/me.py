"""The user behind a token, and what is left of the rate limits."""

from connectors.github.simulator.ask import Ask
from connectors.github.simulator.refusals import forbidden, unauthorized
from connectors.github.simulator.render import Json, stamp, user
from connectors.github.simulator.routing import Route
from connectors.sdk.simulator import Answer


def get_user(ask: Ask) -> Answer:
    """GET /user. Shape: `private-user`."""
    if ask.caller.kind == "anonymous":
        raise unauthorized("Requires authentication")
    if ask.caller.kind != "user":
        raise forbidden("Resource not accessible by integration")
    at = stamp(ask.now)
    texts = ("bio", "blog", "company", "email", "hireable", "location", "twitter_username")
    numbers = ("followers", "following", "public_gists", "public_repos", "collaborators", "disk_usage")
    more = ("owned_private_repos", "private_gists", "total_private_repos")
    shown: Json = {
        **user(ask.user, ask.site),
        "name": ask.user.name,
        **dict.fromkeys(texts),
        **dict.fromkeys((*numbers, *more), 0),
        "two_factor_authentication": True,
        "created_at": at,
        "updated_at": at,
        "user_view_type": "private",
    }
    return Answer.of(shown)


ROUTES = (Route("GET", "/user", get_user),)
