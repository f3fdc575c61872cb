"""Rich text: agents read and write Markdown, Jira keeps the Atlassian Document Format (ADF).

`build` makes ADF from CommonMark with ~~strike~~; a line end is a line break. `render` makes Markdown from any ADF:
what Markdown lacks degrades to its text. `[@Ana](mention:ACCOUNT_ID)` mentions, and so notifies, a person; mentions
are rendered as `@Ana`. Source: Atlassian, "Atlassian Document Format" and its JSON schema.
"""

from typing import Annotated, Any, cast

from pydantic import BeforeValidator

from connectors.jira.adf_build import build
from connectors.jira.adf_render import render

LONGEST = 30_000


def rendered(value: object) -> object:
    """Return Markdown for a document of ADF; anything else (texts, options, people, null) stays."""
    members = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return render(members) if members.get("type") == "doc" else value


def same_text(markdown: str, found: str) -> bool:
    """Whether a text that was read is the one that was written, whatever the spelling of its Markdown."""
    return render(build(markdown)) == found


Markdown = Annotated[str, BeforeValidator(rendered)]

__all__ = ["LONGEST", "Markdown", "build", "render", "rendered", "same_text"]
