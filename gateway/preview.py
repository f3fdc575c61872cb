"""Preview: the exact requests that a call would send, what would be decided, and what would change."""

from typing import Any

import orjson
from pydantic import ValidationError

from connectors.sdk import Action
from connectors.sdk.errors import ActionError
from gateway.allowance import Allowances
from gateway.answers import Answers, decision_shown, redacted
from gateway.call import Asked, Judged
from gateway.clock import Clock
from gateway.execute import Executor
from gateway.invoke import Pipeline
from gateway.registry import Registry
from gateway.render import shown
from gateway.upstream.reads import perform
from gateway.upstream.recording import mask_tree
from gateway.upstream.road import Road
from scopes.grant import combine, covering, for_resource


class Preview:
    """Renders calls without effect. `predicted_change` costs a recorded read, where the granted scopes allow it."""

    def __init__(
        self,
        pipeline: Pipeline,
        executor: Executor,
        road: Road,
        allowances: Allowances,
        registry: Registry,
        answers: Answers,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._executor = executor
        self._road = road
        self._allowances = allowances
        self._registry = registry
        self._answers = answers
        self._clock = clock

    async def of(self, asked: Asked) -> dict[str, Any]:
        """Return the preview. Raises the `ActionError` that the call would end with before it is sent."""
        judged = await self._pipeline.preview(asked)
        request = judged.rendered.request
        body: dict[str, Any] = {
            "action": judged.target.action.name,
            "connection": judged.target.connection.name,
            "decision": decision_shown(judged),
            "resource": judged.bounded.resource,
            "requests": [shown(judged.typed, request)] if request is not None else [],
        }
        change = await self._predicted(judged)
        return body if change is None else body | {"predicted_change": change}

    async def _predicted(self, judged: Judged) -> list[dict[str, Any]] | None:
        """Compare the fields that the input sets with those that the vendor has now."""
        getter = self._getter(judged)
        if getter is None:
            return None
        wanted = {name: judged.typed.value[name] for name in getter.input.model_fields if name in judged.typed.value}
        try:
            given = getter.input.model_validate_json(orjson.dumps(wanted))
            now = await self._read(judged, getter, given)
        except (ValidationError, ActionError):
            return None
        return [
            {"field": name, "from": now[name], "to": value}
            for name, value in judged.typed.value.items()
            if name in now and name not in wanted and now[name] != value
        ]

    def _getter(self, judged: Judged) -> Action | None:
        """Return the read beside an update or delete, where the grants give its scopes on this resource."""
        resource, _, verb = judged.target.action.name.rpartition(".")
        found = self._registry.action(f"{resource}.get")
        if verb in {"get", "list", "search", "create"} or not judged.target.action.writes or found is None:
            return None
        getter = found[1]
        grants = covering(
            judged.call.asked.principal.grants,
            connection=judged.target.connection.id,
            scopes=getter.scopes,
            now=self._clock.now(),
        )
        if not for_resource(grants, judged.bounded.resource, getattr(getter.resource, "canonical", str)):
            return None
        return getter

    async def _read(self, judged: Judged, getter: Action, given: Any) -> dict[str, Any]:
        target = judged.target
        await self._allowances.take_read(judged.call.agent, target.connection.id)
        trip = self._executor.trip(target)
        trip.withheld = trip.withheld or bool(getter.secrets)
        try:
            result = await perform(self._road, trip, lambda api: getter.handler(api, given), "A preview")
        finally:
            await trip.record()
        dumped = mask_tree(getter.output_adapter.dump_python(result, mode="json"), getter.secrets)
        grants = covering(
            judged.call.asked.principal.grants,
            connection=target.connection.id,
            scopes=getter.scopes,
            now=self._clock.now(),
        )
        rules = combine(grants, judged.call.run)
        found: dict[str, Any] = redacted(redacted(dumped, rules), judged.bounded.rules)
        return found
