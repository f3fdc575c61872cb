"""The hot statements in plain SQL, as SQLite runs them."""

from gateway.ledger.record import CallRow

CLAIM = (
    "INSERT INTO claims (tenant, environment, agent, key, call, digest) VALUES (?,?,?,?,?,?)"
    " ON CONFLICT (tenant, environment, agent, key) DO UPDATE"
    " SET call=excluded.call, digest=excluded.digest, expires_at=NULL WHERE claims.expires_at < ?"
)
CLAIM_OF = "SELECT call, digest FROM claims WHERE tenant=? AND environment=? AND agent=? AND key=?"
CLAIM_UNTIL = "UPDATE claims SET expires_at=? WHERE tenant=? AND environment=? AND agent=? AND key=? AND call=?"
RELEASE = "DELETE FROM claims WHERE tenant=? AND environment=? AND agent=? AND key=? AND call=?"
RUN = (
    "INSERT INTO runs (id, tenant, environment, agent, actor, opened_at, details) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT (id) DO NOTHING"
)
CALL = (
    "INSERT INTO calls (id, tenant, environment, agent, run, action, connection, status, code, key, digest,"
    " created_at, finished_at, request, answer, owner) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
STATUS_OF = "SELECT status, tenant, environment, agent, key FROM calls WHERE id=?"
SETTLE = "UPDATE calls SET status=?, code=?, finished_at=?, answer=?, owner=COALESCE(?, owner) WHERE id=?"
OWNER_OF = "SELECT status, owner FROM calls WHERE id=?"
INTENT = (
    "INSERT INTO intents (call, step, name, state, opened_at, owner) VALUES (?,?,?,'open',?,?)"
    " ON CONFLICT (call, step) DO UPDATE SET state='open', opened_at=excluded.opened_at, owner=excluded.owner"
)
INTENTS = "UPDATE intents SET state=? WHERE call=? AND state='open'"
EVENT = (
    "INSERT INTO events (seq, id, tenant, environment, run, call, type, at, body, hash) VALUES (?,?,?,?,?,?,?,?,?,?)"
)


def call_values(call: CallRow) -> tuple[object, ...]:
    """Return the values of `CALL`, in its order."""
    return (
        call.id,
        call.tenant,
        call.environment,
        call.agent,
        call.run,
        call.action,
        call.connection,
        call.status,
        call.code,
        call.key,
        call.digest,
        call.created_at,
        call.finished_at,
        call.request,
        call.answer,
        call.owner,
    )
