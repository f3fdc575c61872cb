"""Macros: prepared changes of a ticket. Source: Zendesk Ticketing API v2, "Macros"."""

from pydantic import AliasPath, Field

from connectors.sdk import Effect, Output, Page, PageQuery, Upstream
from connectors.zendesk import custom_field
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import OF_TICKET, TICKET, Id, OfTicket, listed
from connectors.zendesk.paging import Numbered, by_number, numbered
from connectors.zendesk.permissions import READ


class Macro(Output):
    """A macro."""

    id: int
    title: str
    description: str | None = None
    active: bool = True


class ListMacros(PageQuery):
    """Which macros to read."""

    active: bool | None = Field(default=None, description="Only those in use, or only the others.")


class PreviewMacro(OfTicket):
    """The macro and the ticket that it would be applied to."""

    macro_id: Id = Field(description="The macro's id, from `zendesk.macro.list`.")


class Preview(Output):
    """What the ticket would become. `comment` is the text that the macro would write, null if none."""

    status: str | None = None
    priority: str | None = None
    type: str | None = None
    assignee_id: int | None = None
    group_id: int | None = None
    tags: list[str] = Field(default_factory=list[str])
    custom_fields: custom_field.Values = Field(default_factory=dict[str, custom_field.Value])
    comment: str | None = Field(default=None, validation_alias=AliasPath("comment", "body"))
    comment_public: bool | None = Field(default=None, validation_alias=AliasPath("comment", "public"))


class _Macros(Numbered):
    macros: list[Macro]


class _Result(Output):
    ticket: Preview


class _Applied(Output):
    result: _Result


def _identity(macro: Macro) -> str:
    return f"macro/{macro.id}"


@zendesk.action(
    "macro.list",
    scopes={"zendesk:macro:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ,
)
async def list_macros(api: Upstream, query: ListMacros) -> Page[Macro]:
    """List the macros that the connected user can apply."""
    found = api.read(_Macros, await api.get("/api/v2/macros", params=numbered(query, active=query.active)))
    return by_number(found, query, found.macros)


@zendesk.action(
    "macro.preview",
    scopes={"zendesk:macro:read", "zendesk:ticket:read"},
    effect=Effect.READ,
    resource=OF_TICKET,
    vendor_scopes=READ,
)
async def preview_macro(api: Upstream, what: PreviewMacro) -> Preview:
    """Show what a macro would make of a ticket. Nothing is changed: send what you want of it with other actions."""
    response = await api.get(TICKET + "/macros/{macro_id}/apply", what)
    return api.read(_Applied, response).result.ticket
