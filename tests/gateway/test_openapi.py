"""The API's document: valid, complete, and the one that is kept in the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from connectors.sdk.errors import ActionError, concrete
from gateway.openapi import document, document_bytes
from gateway.registry import Registry, load
from tests.gateway.caller import Caller
from tests.gateway.toy import toy_connector
from tests.gateway.world import World

KEPT = Path(__file__).resolve().parents[2] / "openapi" / "gateway.json"
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


@pytest.fixture(scope="module")
def described() -> Any:
    return document(load())


def test_the_document_is_valid_openapi_3_1(described: Any) -> None:
    assert described["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_the_kept_copy_is_what_the_code_says() -> None:
    assert KEPT.read_bytes() == document_bytes(load()), "run `gatehouse openapi --write openapi/gateway.json`"


def test_every_action_is_a_typed_path_with_a_preview(described: Any) -> None:
    for action in load().actions():
        run = described["paths"][f"/v1/actions/{action.name}"]["post"]
        preview = described["paths"][f"/v1/actions/{action.name}/preview"]["post"]
        for operation in (run, preview):
            given = operation["requestBody"]["content"]["application/json"]["schema"]
            schema = resolved(described, given)
            assert schema["properties"].keys() == action.input_schema["properties"].keys()
            assert schema["additionalProperties"] is False
        assert run["operationId"] == action.name
        assert run["x-gatehouse-effect"] == action.effect.value
        assert run["x-gatehouse-scopes"] == sorted(action.scopes)
        assert run["summary"] == action.title
        output = resolved(described, run["responses"]["200"]["content"]["application/json"]["schema"])
        assert output["properties"]["output"]


def resolved(described: Any, schema: Any) -> Any:
    while "$ref" in schema:
        found: Any = described
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        schema = found
    return schema


def operations(described: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in described["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def test_operation_ids_are_unique_and_every_path_parameter_is_declared(described: Any) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(ids) == len(set(ids))
    for _, path, operation in operations(described):
        named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert named == declared, path


def test_everything_but_the_open_routes_needs_a_credential(described: Any) -> None:
    open_routes = {path for _, path, operation in operations(described) if operation.get("security") == []}
    assert open_routes >= {"/openapi.json", "/healthz", "/readyz"}
    assert not [path for path in open_routes if path.startswith("/v1/actions") or "/v1/calls" in path]


def test_every_operation_tells_its_refusals(described: Any) -> None:
    for method, path, operation in operations(described):
        if operation.get("security") == []:
            continue
        assert {"401", "403", "429"} <= operation["responses"].keys(), (method, path)


def test_examples_fit_their_schemas(described: Any) -> None:
    for action in load().actions():
        schema = {**action.input_schema}
        for example in action.examples:
            OAS31Validator(schema).validate(dict(example))


def test_the_problem_schema_knows_every_code(described: Any) -> None:
    examples = described["components"]["schemas"]["Problem"]["properties"]["code"]["examples"]
    assert set(examples) == set(concrete(ActionError))


def test_a_connector_that_is_enabled_is_in_the_document() -> None:
    made = document(Registry([toy_connector()]))
    assert "/v1/actions/toy.note.create" in made["paths"]
    assert [error.message for error in OpenAPIV31SpecValidator(made).iter_errors()] == []


async def test_every_route_that_is_served_is_described_and_the_other_way_round(world: World, bot: Caller) -> None:
    described = (await bot.ask("GET", "/openapi.json", bearer=None)).body
    actions = {f"/v1/actions/{name}" for name in world.registry.names()}
    actions |= {f"{path}/preview" for path in actions}
    told = {(method.upper(), path) for method, path, _ in operations(described) if path not in actions}
    served = {
        (route.method, route.resource.canonical)
        for route in world.gateway.application().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    pages = {(method, path) for method, path in served if path.startswith(("/approvals", "/connect", "/oauth"))}
    generic = {("POST", "/v1/actions/{action}"), ("POST", "/v1/actions/{action}/preview")}
    assert served - pages - generic == told - pages


async def test_what_is_served_is_what_is_generated(world: World, bot: Caller) -> None:
    served = (await bot.ask("GET", "/openapi.json", bearer=None)).raw
    assert orjson.loads(served) == document(world.registry)
