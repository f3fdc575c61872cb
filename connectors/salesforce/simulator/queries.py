"""Queries in batches, and searches.

Source: REST API Developer Guide v67.0, "Query", "Query More", "Parameterized Search".
"""

import re
from collections.abc import Callable
from typing import Any

from connectors.salesforce.simulator import checks
from connectors.salesforce.simulator.ask import Ask, dicts
from connectors.salesforce.simulator.refusals import Fault
from connectors.salesforce.simulator.routing import Route
from connectors.salesforce.simulator.schema import SObject
from connectors.salesforce.simulator.soql import parse
from connectors.salesforce.simulator.soql_run import Runner, attributes
from connectors.salesforce.simulator.world import Cursor, Row, stamp
from connectors.sdk.simulator import Answer

_LOCATOR_LIFE = 2 * 86_400
_LARGEST, _SMALLEST = 2_000, 200
_SCOPES = {"ALL": None, "NAME": {"Name", "Subject"}, "EMAIL": {"email"}, "PHONE": {"phone"}}
_RESERVED = set("&|!{}[]()^~:\\\"'+-")


def query(ask: Ask) -> Answer:
    """GET /query?q=."""
    return _first(ask, deleted=False)


def query_all(ask: Ask) -> Answer:
    """GET /queryAll?q=: deleted records too."""
    return _first(ask, deleted=True)


def query_more(ask: Ask) -> Answer:
    """GET /query/{locator}."""
    name, _, start = ask.values["locator"].rpartition("-")
    found = ask.world.queries.get(name)
    if found is None or not start.isdigit() or found.made_at <= ask.now - _LOCATOR_LIFE:
        raise Fault("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _batch(ask, name, found, int(start))


def _first(ask: Ask, *, deleted: bool) -> Answer:
    if "q" not in ask.query:
        raise Fault("MALFORMED_QUERY", "SOQL query is missing")
    records = Runner(ask.world, ask.base, ask.now).run(parse(ask.query["q"]), deleted=deleted)
    ask.world.count += 1
    name = f"0r85e{ask.world.count:013d}"
    return _batch(ask, name, Cursor(records, ask.now), 0)


def _batch(ask: Ask, name: str, cursor: Cursor, start: int) -> Answer:
    end = start + _size(ask)
    done = end >= len(cursor.records)
    answer: dict[str, Any] = {"totalSize": len(cursor.records), "done": done, "records": cursor.records[start:end]}
    if not done:
        ask.world.queries[name] = cursor
        answer["nextRecordsUrl"] = f"{ask.base}/query/{name}-{end}"
    return Answer.of(answer)


def _size(ask: Ask) -> int:
    wanted = re.search(r"batchSize\s*=\s*([0-9]+)", ask.call.headers.get("sforce-query-options", ""))
    return min(max(int(wanted.group(1)), _SMALLEST), _LARGEST) if wanted else _LARGEST


def search(ask: Ask) -> Answer:
    """POST /parameterizedSearch."""
    body = ask.body()
    unknown = set(body) - {"q", "in", "sobjects", "fields", "overallLimit", "defaultLimit", "offset"}
    if unknown:
        raise Fault("JSON_PARSER_ERROR", f"Unrecognized field {sorted(unknown)[0]}")
    scope = str(body.get("in", "ALL")).upper()
    if scope not in _SCOPES:
        raise Fault("INVALID_SEARCH_SCOPE", f"unknown scope {scope}")
    fits = _words(str(body.get("q", "")))
    found: list[dict[str, Any]] = []
    for part in dicts(body.get("sobjects")):
        kind = checks.kind_of(ask.world, str(part.get("name")))
        if not kind.listed("")["searchable"]:
            raise Fault("INVALID_TYPE", f"entity type {kind.name} does not support search")
        names = [str(one) for one in part.get("fields") or ["Id"]]
        most = int(part.get("limit", body.get("defaultLimit", 25)))
        rows = [row for row in ask.world.of(kind.name) if _seen(ask, row) and fits(_text(row, scope))]
        found += [_shown(ask, kind, row, names) for row in rows[:most]]
    return Answer.of({"searchRecords": found[: int(body.get("overallLimit", 2000))]})


def _seen(ask: Ask, row: Row) -> bool:
    """Whether the index has it already."""
    return not row.deleted and str(row.values["CreatedDate"]) <= stamp(ask.now - ask.index_lag)


def _words(text: str) -> Callable[[str], bool]:
    """Read a search: words that must all be there. Raises for reserved characters that are not escaped."""
    plain, at, quoted = "", 0, list[tuple[str, bool]]()
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            quoted.append((text[at + 1], True))
            at += 2
            continue
        if text[at] in _RESERVED:
            raise Fault("MALFORMED_SEARCH", f"unexpected character {text[at]!r} in a search term")
        quoted.append((text[at], False))
        at += 1
    for character, literal in quoted:
        plain += re.escape(character) if literal else {"*": r"\w*", "?": r"\w"}.get(character, re.escape(character))
    words = [word for word in re.split(r"(?:\\ |\s)+", plain) if word]
    if not words or len(text) < 2:
        raise Fault("MALFORMED_SEARCH", "search term must be longer than one character")
    tests = [re.compile(rf"(?<!\w){word}(?!\w)", re.IGNORECASE) for word in words]
    return lambda found: all(test.search(found) for test in tests)


def _text(row: Row, scope: str) -> str:
    wanted = _SCOPES[scope]
    kept = [
        str(row.values.get(field.name) or "")
        for field in row.object.fields
        if field.type in {"string", "textarea", "email", "phone", "url"}
        and (wanted is None or field.name in wanted or field.type in wanted)
    ]
    return "\n".join(kept)


def _shown(ask: Ask, kind: SObject, row: Row, names: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"attributes": attributes(row, ask.base)}
    for name in names:
        field = kind.by_name.get(name.lower())
        if field is None:
            raise Fault("INVALID_FIELD", f"No such column '{name}' on entity '{kind.name}'.")
        shown[field.name] = row.values.get(field.name)
    return shown


ROUTES = (
    Route("GET", "/query", query),
    Route("GET", "/queryAll", query_all),
    Route("GET", "/query/{locator}", query_more),
    Route("GET", "/queryAll/{locator}", query_more),
    Route("POST", "/parameterizedSearch", search),
)
