"""What objects and fields are: their types, and how a describe shows them.

Source: REST API Developer Guide v67.0, "sObject Describe"; Object Reference, "Field Types".
"""

from dataclasses import dataclass, field
from typing import Any

TEXTUAL = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "id", "reference"})
_SOAP = {
    "boolean": "xsd:boolean",
    "currency": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "double": "xsd:double",
    "id": "tns:ID",
    "int": "xsd:int",
    "percent": "xsd:double",
    "reference": "tns:ID",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field. `required` ones have no default. `references` names the objects that an id may be of."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    default: Any = None
    createable: bool = True
    updateable: bool = True
    choices: tuple[str, ...] = ()
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    references: tuple[str, ...] = ()
    relationship: str | None = None
    filterable: bool = True

    @property
    def custom(self) -> bool:
        """Whether the org made it."""
        return self.name.endswith("__c")

    def shown(self) -> dict[str, Any]:
        """Return it as a describe does."""
        values = [
            {"active": True, "defaultValue": one == self.default, "label": one, "validFor": None, "value": one}
            for one in self.choices
        ]
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "soapType": _SOAP.get(self.type, "xsd:string"),
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": self.precision,
            "scale": self.scale,
            "digits": self.precision if self.type == "int" else 0,
            "nillable": not self.required and self.type != "boolean" and self.createable,
            "createable": self.createable,
            "updateable": self.updateable,
            "defaultedOnCreate": self.default is not None or self.type == "boolean" or self.name == "OwnerId",
            "defaultValue": self.default,
            "picklistValues": values,
            "restrictedPicklist": self.restricted,
            "externalId": self.external_id,
            "idLookup": self.external_id or self.type == "id",
            "unique": self.unique,
            "caseSensitive": False,
            "referenceTo": list(self.references),
            "relationshipName": self.relationship,
            "custom": self.custom,
            "filterable": self.filterable,
            "sortable": self.filterable,
            "calculated": False,
            "autoNumber": False,
            "nameField": self.name == "Name",
            "deprecatedAndHidden": False,
        }


@dataclass(frozen=True, slots=True)
class SObject:
    """An object. `prefix` begins the ids of its records."""

    name: str
    label: str
    prefix: str
    fields: tuple[Field, ...]
    writable: bool = True
    owned: bool = True
    by_name: dict[str, Field] = field(default_factory=dict[str, Field])
    parents: dict[str, Field] = field(default_factory=dict[str, Field])

    def __post_init__(self) -> None:
        """Add the fields that every object has, and index them all."""
        every = (*_system(self.owned), *self.fields)
        object.__setattr__(self, "fields", every)
        self.by_name.update({one.name.lower(): one for one in every})
        self.parents.update({one.relationship.lower(): one for one in every if one.relationship})

    @property
    def custom(self) -> bool:
        """Whether the org made it."""
        return self.name.endswith("__c")

    def listed(self, base: str) -> dict[str, Any]:
        """Return it as the list of objects does."""
        urls = {
            "sobject": f"{base}/sobjects/{self.name}",
            "describe": f"{base}/sobjects/{self.name}/describe",
            "rowTemplate": f"{base}/sobjects/{self.name}/{{ID}}",
        }
        return {
            "name": self.name,
            "label": self.label,
            "labelPlural": self.label + "s",
            "keyPrefix": self.prefix,
            "custom": self.custom,
            "queryable": True,
            "searchable": self.name not in {"CaseComment", "FeedItem"},
            "createable": self.writable,
            "updateable": self.writable,
            "deletable": self.writable,
            "undeletable": self.writable,
            "triggerable": True,
            "urls": urls,
        }

    def described(self, base: str) -> dict[str, Any]:
        """Return it as a describe does."""
        return {**self.listed(base), "fields": [one.shown() for one in self.fields], "childRelationships": []}


def _system(owned: bool) -> tuple[Field, ...]:
    fixed: dict[str, Any] = {"createable": False, "updateable": False}
    user = ("User",)
    made = (
        Field("Id", "id", "Record ID", 18, **fixed),
        Field("IsDeleted", "boolean", "Deleted", **fixed),
        Field("CreatedDate", "datetime", "Created Date", **fixed),
        Field("CreatedById", "reference", "Created By ID", 18, references=user, relationship="CreatedBy", **fixed),
        Field("LastModifiedDate", "datetime", "Last Modified Date", **fixed),
        Field(
            "LastModifiedById", "reference", "Modified By", 18, references=user, relationship="LastModifiedBy", **fixed
        ),
        Field("SystemModstamp", "datetime", "System Modstamp", **fixed),
    )
    owner = (Field("OwnerId", "reference", "Owner ID", 18, references=user, relationship="Owner"),)
    return made + (owner if owned else ())
