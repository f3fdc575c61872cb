"""Further fields of actions that fix their object: the members that an action names, and others by their API names."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from connectors.salesforce.names import Key, Values
from connectors.sdk import Input

Text = Annotated[str, Field(min_length=1, max_length=255)]
Email = Annotated[str, Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,253}$", max_length=80)]
More = Annotated[
    Values,
    Field(description="Further fields by API name, the org's own too; `salesforce.object.describe` lists them."),
]


class Further(Input):
    """An input with further fields. `NAMES` gives the API name of each member that is a field."""

    NAMES: ClassVar[Mapping[str, str]] = {}

    fields: More = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _once(self) -> "Further":
        """What a member sets stands there alone: grants look at the members."""
        taken = {api.lower(): name for name, api in self.NAMES.items()}
        key = getattr(self, "key", None)
        if isinstance(key, Key):
            taken[key.field.lower()] = "key"
        for name in self.fields:
            if name.lower() in taken:
                raise ValueError(f"give {name} as `{taken[name.lower()]}`, not in `fields`")
        return self

    def values(self) -> dict[str, Any]:
        """Return what the input sets, by API names."""
        own = {api: getattr(self, name) for name, api in self.NAMES.items() if getattr(self, name) is not None}
        return {**own, **self.fields}
