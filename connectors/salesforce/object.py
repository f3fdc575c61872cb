"""Objects and their fields: what the org has. Source: REST API Developer Guide v67.0, "Describe Global", "Describe"."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from connectors.salesforce.connector import API_SCOPE, salesforce
from connectors.salesforce.ids import canonical
from connectors.salesforce.names import OBJECT, SOBJECTS, THE_OBJECT, FieldName, OfObject
from connectors.sdk import Effect, Input, Output, Page, Searched, Upstream


class SObject(Output):
    """An object that the org has."""

    name: str = Field(description="The API name, which other actions take as `object`.")
    label: str
    custom: bool = False
    key_prefix: str | None = Field(
        default=None, validation_alias="keyPrefix", description="What its records' ids start with."
    )
    queryable: bool = False
    searchable: bool = False
    createable: bool = False
    updateable: bool = False
    deletable: bool = False


class Choice(Output):
    """A value of a picklist."""

    value: str
    label: str | None = None
    active: bool = True


class FieldFacts(Output):
    """A field. `required` ones must be set when a record is created."""

    name: str
    label: str
    type: str = Field(description="`string`, `picklist`, `reference`, `currency`, `datetime` and so on.")
    length: int = 0
    custom: bool = False
    nillable: bool = True
    createable: bool = False
    updateable: bool = False
    defaulted: bool = Field(default=False, validation_alias="defaultedOnCreate")
    external_id: bool = Field(default=False, validation_alias="externalId")
    unique: bool = False
    restricted: bool = Field(default=False, validation_alias="restrictedPicklist")
    choices: list[Choice] = Field(default_factory=list[Choice], validation_alias="picklistValues")
    references: list[str] = Field(default_factory=list[str], validation_alias="referenceTo")
    relationship: str | None = Field(
        default=None, validation_alias="relationshipName", description="What a query names the parent with."
    )
    scale: int = 0
    precision: int = 0

    @property
    def required(self) -> bool:
        """Whether a new record must have it."""
        return self.createable and not self.nillable and not self.defaulted


class Description(Output):
    """An object with its fields."""

    name: str
    label: str
    fields: list[FieldFacts]


class ListObjects(Input):
    """Which objects to list."""

    custom: bool | None = Field(default=None, description="Only the org's own ones, or only the standard ones.")


class Describe(OfObject):
    """Which object to describe."""

    fields: list[FieldName] = Field(
        default_factory=list[str], max_length=100, description="Only these fields; objects can have hundreds."
    )


class _All(Output):
    sobjects: list[SObject]


def _unchanged(query: Any, patterns: Sequence[str]) -> Any:
    del patterns
    return query


@salesforce.action(
    "object.list",
    scopes={"salesforce:object:read"},
    effect=Effect.READ,
    resource=Searched(_unchanged, lambda item: item.name, canonical),
    vendor_scopes=API_SCOPE,
    max_output_bytes=1024 * 1024,
)
async def list_objects(api: Upstream, query: ListObjects) -> Page[SObject]:
    """List the objects of the org, standard and custom, with what may be done with them."""
    found = api.read(_All, await api.get(SOBJECTS)).sobjects
    return Page[SObject](items=[one for one in found if query.custom in {None, one.custom}])


@salesforce.action(
    "object.describe",
    scopes={"salesforce:object:read"},
    effect=Effect.READ,
    resource=THE_OBJECT,
    vendor_scopes=API_SCOPE,
    max_output_bytes=2 * 1024 * 1024,
)
async def describe_object(api: Upstream, what: Describe) -> Description:
    """List the fields of an object: types, choices, which are required, external ids, what they refer to.

    Read it before you write to an object for the first time: each org has fields and rules of its own.
    """
    found = await described(api, what.object)
    if not what.fields:
        return found
    wanted = {name.lower() for name in what.fields}
    return found.model_copy(update={"fields": [one for one in found.fields if one.name.lower() in wanted]})


async def described(api: Upstream, object: str) -> Description:
    """Return an object's description."""
    return api.read(Description, await api.get(OBJECT + "/describe", {"object": object}))
