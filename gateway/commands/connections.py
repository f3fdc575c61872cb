"""`gatehouse connections`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.client import Api
from gateway.commands.remote import Limit, Version, command, group
from gateway.commands.said import credential, given, some

File = Annotated[Path | None, typer.Option("--credential-file", help="Credential as a JSON object; - is stdin.")]
Fields = Annotated[list[str] | None, typer.Option("--field", help="A field that is no secret: name=value.")]
Secrets = Annotated[list[str] | None, typer.Option("--secret", help="A field to ask for, hidden; by default token.")]
BaseUrl = Annotated[str | None, typer.Option(help="Address of a self-hosted edition.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="What to ask for in the browser; may hold `*`.")]
How = Annotated[str | None, typer.Option("--flow", help="How somebody is asked: code (by redirect) or device.")]
Owner = Annotated[str | None, typer.Option(help="Whose personal connection it is.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    connections = group(app, "connections", "Connections: authorised accounts at vendors.")
    _reading(connections)
    _writing(connections)


def _reading(connections: typer.Typer) -> None:
    @command(connections, "list", columns=("id", "name", "account.label", "health.status", "health.reason"))
    def listed(
        api: Api,
        limit: Limit = 50,
        connector: Annotated[str | None, typer.Option(help="Of this connector only.")] = None,
    ) -> Any:
        """List the connections with their health."""
        return api.items(api.here("connections"), limit, {"connector": connector})

    @command(connections, "show")
    def show(api: Api, connection: str) -> Any:
        """Show a connection, by id or name."""
        return api.get(_one(api, connection))

    @command(connections, "test")
    def test(api: Api, connection: str) -> Any:
        """Ask the vendor whose the credential is and what it may."""
        return api.post(_one(api, connection, "test"))


def _writing(connections: typer.Typer) -> None:
    @command(connections, "create")
    def create(
        api: Api,
        name: Annotated[str, typer.Argument(help="Such as github/main.")],
        method: Annotated[str, typer.Option(help="How it proves itself: token, oauth, app.")] = "token",
        credential_file: File = None,
        field: Fields = None,
        secret: Secrets = None,
        base_url: BaseUrl = None,
        owner_actor: Owner = None,
        scope: Scopes = None,
        flow: How = None,
        test: Annotated[bool, typer.Option(help="Test it at once.")] = True,
    ) -> Any:
        """Make a connection. Secrets are asked for, or read from standard input; never put them in options.

        With `--method oauth --field client_id=... --secret client_secret` the answer has a link, `authorize_url`:
        who opens it connects their account in the browser. With `--flow device` they type a short code at the vendor,
        which needs no callback address to be registered there.
        """
        wanted = given(
            connector=name.partition("/")[0],
            name=name,
            method=method,
            base_url=base_url,
            owner_actor=owner_actor,
            scopes=scope or None,
            flow=flow,
        )
        wanted |= {"credential": credential(credential_file, field, secret), "test": test}
        return api.post(api.here("connections"), wanted)

    @command(connections, "update")
    def update(
        api: Api,
        connection: str,
        name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
        base_url: BaseUrl = None,
        owner_actor: Owner = None,
        if_version: Version = None,
    ) -> Any:
        """Change a connection. A new address discards its credential."""
        change = some(name=name, base_url=base_url, owner_actor=owner_actor)
        return api.patch(_one(api, connection), change, if_version)

    @command(connections, "reconnect")
    def reconnect(
        api: Api,
        connection: str,
        method: Annotated[str | None, typer.Option(help="Another way to prove itself.")] = None,
        credential_file: File = None,
        field: Fields = None,
        secret: Secrets = None,
        scope: Scopes = None,
        flow: How = None,
        browser: Annotated[bool, typer.Option("--browser", help="By a link, with the OAuth client it has.")] = False,
    ) -> Any:
        """Give a connection a new credential of the same account, or with --browser a link to authorize it again."""
        supplied = {} if browser else credential(credential_file, field, secret)
        wanted = given(method=method, scopes=scope or None, flow=flow) | {"credential": supplied}
        return api.post(_one(api, connection, "reconnect"), wanted)

    @command(connections, "delete")
    def delete(api: Api, connection: str, if_version: Version = None) -> Any:
        """Revoke at the vendor, destroy the credential, end the grants."""
        return api.delete(_one(api, connection), if_version)


def _one(api: Api, connection: str, *more: str) -> str:
    """Return the path of a connection; a name's slash stands in it as it is."""
    return api.here("connections", *connection.split("/", 1), *more)
