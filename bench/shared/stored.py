"""Fills a shared ledger with what years leave: calls of many tenants, their claims, agents and grants."""

from bench.shared.ground import run

_TENANTS = 100
_CALLS = """
INSERT INTO calls (id, tenant, environment, agent, run, action, connection, status, key, digest, created_at,
                   finished_at, request, answer, owner)
SELECT 'call_01k' || lpad(n::text, 23, '0'), 'old-' || n % {tenants}, 'prod', 'agt_old',
       'run_01k' || lpad(n::text, 23, '0'), 'github.issue.create', 'conn_old', 'succeeded', 'key-' || n, md5(n::text),
       '2026-06-01T00:00:00.000Z', '2026-06-01T00:00:01.000Z', decode(repeat(md5(n::text), 8), 'hex'),
       decode(repeat(md5(n::text), 16), 'hex'), 'wrt_old'
FROM generate_series({first}, {last}) AS n
"""
_CLAIMS = """
INSERT INTO claims (tenant, environment, agent, key, call, digest, expires_at)
SELECT tenant, environment, agent, key, id, digest, '2099-01-01T00:00:00.000Z' FROM calls WHERE owner = 'wrt_old'
"""
_GRANTS = """
INSERT INTO grants (id, tenant, environment, agent, connection, patterns, scopes, constraints, autonomy, idempotency,
                    idempotency_days, version, created_at)
SELECT 'grt_old' || n, 'old-' || n % {tenants}, 'prod', 'agt_' || n % 10000, 'conn_old', '[]', '[]', '{{}}', 'auto',
       'required', 1, 1, '2026-06-01T00:00:00.000Z'
FROM generate_series(1, {grants}) AS n
"""
_AT_ONCE = 100_000


async def fill(url: str, *, calls: int, grants: int) -> None:
    """Insert so many calls with their claims, and grants, over a hundred tenants."""
    for first in range(1, calls + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, calls)
        await run(url, _CALLS.format(tenants=_TENANTS, first=first, last=last))
    await run(url, _CLAIMS)
    await run(url, _GRANTS.format(tenants=_TENANTS, grants=grants))
    await run(url, "ANALYZE")
