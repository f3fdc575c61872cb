"""A handler that looks around before its effect. In a module of its own: a connector's modules import no way out."""

from typing import Any

from connectors.github.issue import ISSUES, Issue, create_issue


async def reads_first(api: Any, new: Any) -> Issue:
    """Look around, then open an issue."""
    await api.get(ISSUES, new)
    return await create_issue(api, new)
