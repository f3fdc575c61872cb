"""GitHub Apps: the app itself, its installations and their tokens (which are no content, so no effects)."""

import hashlib

from connectors.github.simulator.access import App, Caller, Installation
from connectors.github.simulator.ask import Ask
from connectors.github.simulator.refusals import invalid, not_found, unauthorized, unprocessable
from connectors.github.simulator.render import Json, full_repository, node, stamp, user
from connectors.github.simulator.routing import Route
from connectors.github.simulator.world import Owner
from connectors.sdk.simulator import Answer

_RANK = {"read": 1, "write": 2, "admin": 3}


def get_app(ask: Ask) -> Answer:
    """GET /app."""
    app = _app(ask)
    at = stamp(ask.now)
    return Answer.of(
        {
            "id": app.id,
            "slug": app.slug,
            "node_id": node("App", app.id),
            "client_id": app.client_id,
            "owner": user(_account(ask, app.installations[0]), ask.site),
            "name": app.slug,
            "description": None,
            "external_url": f"{ask.site.web}/apps/{app.slug}",
            "html_url": f"{ask.site.web}/apps/{app.slug}",
            "created_at": at,
            "updated_at": at,
            "permissions": dict(app.permissions),
            "events": [],
            "installations_count": len(app.installations),
        }
    )


def list_installations(ask: Ask) -> Answer:
    """GET /app/installations."""
    app = _app(ask)
    return ask.page(app.installations, lambda found: _shown(ask, app, found))


def get_installation(ask: Ask) -> Answer:
    """GET /app/installations/{installation_id}."""
    app = _app(ask)
    return Answer.of(_shown(ask, app, _installation(ask, app)))


def create_token(ask: Ask) -> Answer:
    """POST /app/installations/{installation_id}/access_tokens. A token is no more than its installation."""
    app = _app(ask)
    installation, fields = _installation(ask, app), ask.fields()
    permissions = _permissions(app, installation, fields.get("permissions"))
    chosen = _repositories(ask, installation, fields)
    secret = hashlib.sha256(f"{app.id}/{installation.id}/{ask.world.next_id()}".encode()).hexdigest()[:36]
    token, expires_at = f"ghs_{secret}", ask.now + app.token_lifetime
    login = f"{app.slug}[bot]"
    if login not in ask.world.owners:
        ask.world.add_owner(login, "Bot")
    caller = Caller(
        "installation",
        f"installation-{installation.id}",
        login,
        None,
        permissions,
        frozenset(chosen),
        app=app,
        installation=installation,
    )
    ask.access.installation_tokens[token] = (caller, expires_at)
    answer: Json = {
        "token": token,
        "expires_at": stamp(expires_at),
        "permissions": permissions,
        "repository_selection": "all" if _whole(installation, fields) else "selected",
    }
    if answer["repository_selection"] == "selected":
        answer["repositories"] = [full_repository(ask.world.by_id[found], ask.site) for found in chosen]
    return Answer.of(answer, 201)


def revoke_token(ask: Ask) -> Answer:
    """DELETE /installation/token: ends the token that it is sent with."""
    token = ask.call.headers.get("authorization", "").partition(" ")[2]
    if ask.access.installation_tokens.pop(token, None) is None:
        raise unauthorized()
    return Answer(204)


def _app(ask: Ask) -> App:
    if ask.caller.app is None or ask.caller.kind != "app":
        raise unauthorized("A JSON web token could not be decoded")
    return ask.caller.app


def _installation(ask: Ask, app: App) -> Installation:
    wanted = ask.number("installation_id")
    found = next((installation for installation in app.installations if installation.id == wanted), None)
    if found is None:
        raise not_found()
    return found


def _account(ask: Ask, installation: Installation) -> Owner:
    return ask.world.owners[installation.account.lower()]


def _permissions(app: App, installation: Installation, asked: object) -> dict[str, str]:
    has = {"metadata": "read", **(installation.permissions or app.permissions)}
    if asked is None:
        return has
    if not isinstance(asked, dict):
        raise invalid("Installation", "permissions", "invalid")
    for name, level in asked.items():
        if _RANK.get(str(level), 9) > _RANK.get(has.get(name, ""), 0):
            raise unprocessable("The permissions requested are not granted to this installation.")
    return {"metadata": "read", **{str(name): str(level) for name, level in asked.items()}}


def _repositories(ask: Ask, installation: Installation, fields: Json) -> list[int]:
    account = installation.account.lower()
    has = {
        found.name.lower(): found.id
        for found in ask.world.by_id.values()
        if found.owner.login.lower() == account
        and (installation.repositories is None or found.name in installation.repositories)
    }
    names, ids = fields.get("repositories"), fields.get("repository_ids")
    if names is None and ids is None:
        return list(has.values())
    chosen = [has.get(str(name).lower(), 0) for name in names or []] + list(ids or [])
    if not set(chosen) <= set(has.values()):
        raise unprocessable("There is at least one repository that does not exist or is not accessible to the parent.")
    return chosen


def _whole(installation: Installation, fields: Json) -> bool:
    return installation.repositories is None and not fields.get("repositories") and not fields.get("repository_ids")


def _shown(ask: Ask, app: App, installation: Installation) -> Json:
    account = _account(ask, installation)
    url = f"{ask.site.api}/app/installations/{installation.id}"
    at = stamp(ask.now)
    return {
        "id": installation.id,
        "account": user(account, ask.site),
        "app_id": app.id,
        "app_slug": app.slug,
        "client_id": app.client_id,
        "target_id": account.id,
        "target_type": account.kind,
        "repository_selection": "all" if installation.repositories is None else "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{ask.site.api}/installation/repositories",
        "html_url": f"{ask.site.web}/organizations/{account.login}/settings/installations/{installation.id}",
        "permissions": dict(installation.permissions or app.permissions),
        "events": [],
        "single_file_name": None,
        "created_at": at,
        "updated_at": at,
        "suspended_by": None,
        "suspended_at": None,
    }


ROUTES = (
    Route("GET", "/app", get_app),
    Route("GET", "/app/installations", list_installations),
    Route("GET", "/app/installations/{installation_id}", get_installation),
    Route("POST", "/app/installations/{installation_id}/access_tokens", create_token),
    Route("DELETE", "/installation/token", revoke_token),
)
