/** What can go wrong, as classes by what to do next. Codes: the table "Problems" of the gateway's `docs/api.md`. */

export interface Problem {
  code: string;
  status?: number;
  title?: string;
  detail?: string;
  hint?: string;
  call?: string;
  retryable?: boolean;
  retry_after_ms?: number;
  errors?: { pointer?: string; parameter?: string; message: string }[];
  upstream?: Record<string, unknown>;
  [member: string]: unknown;
}

/** A call that did not end well. `key` is its idempotency key: the same call under it is safe to repeat. */
export class GatehouseError extends Error {
  readonly code: string;
  readonly status: number | undefined;
  readonly detail: string;
  readonly hint: string | undefined;
  readonly call: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly errors: NonNullable<Problem["errors"]>;
  readonly upstream: Record<string, unknown> | undefined;

  constructor(readonly problem: Problem, readonly key?: string, readonly trace?: string) {
    const detail = problem.detail ?? problem.title ?? problem.code;
    const faults = (problem.errors ?? []).map((fault) => `${fault.pointer ?? fault.parameter}: ${fault.message}`);
    super([`${detail} (${problem.code})`, ...faults, ...(problem.hint ? [problem.hint] : [])].join("\n  "));
    this.name = new.target.name;
    this.code = problem.code;
    this.status = problem.status;
    this.detail = detail;
    this.hint = problem.hint;
    this.call = problem.call;
    this.retryable = problem.retryable ?? false;
    this.retryAfterMs = problem.retry_after_ms;
    this.errors = problem.errors ?? [];
    this.upstream = problem.upstream;
  }
}

/** The call has to change before it can go well. `errors` says where. */
export class FixTheCall extends GatehouseError {}
/** The vendor said no: look at the state of things there, then change the call. */
export class VendorRefused extends FixTheCall {}
/** Somebody has to allow it. `hint` says what is missing. */
export class AskAPerson extends GatehouseError {}
/** The vendor's account is not connected, or not any more: an admin connects it. */
export class ConnectFirst extends AskAPerson {}
/** Nothing happened that a repeat could double: send the same call under the same key later. */
export class TryLater extends GatehouseError {}
/** Something may have happened. Look at the vendor before anything else; never repeat blindly. */
export class LookFirst extends GatehouseError {}
/** The call has not ended within the time that was given. It goes on: `wait(error.call)` waits on. */
export class StillWaiting extends GatehouseError {}

type Kind = new (problem: Problem, key?: string, trace?: string) => GatehouseError;

const CODES: [Kind, string][] = [
  [FixTheCall,
    "malformed_request payload_too_large unsupported_media_type invalid_input invalid_cursor method_not_allowed " +
    "not_found action_not_found call_not_found run_not_found connection_ambiguous idempotency_mismatch run_closed " +
    "not_cancellable approval_already_decided conflict precondition_failed"],
  [VendorRefused, "upstream_rejected upstream_not_found upstream_conflict upstream_forbidden"],
  [AskAPerson,
    "unauthenticated key_expired ip_not_allowed scope_denied constraint_denied policy_denied approval_denied " +
    "approval_expired cancelled frozen"],
  [ConnectFirst, "connection_required connection_unhealthy"],
  [TryLater,
    "rate_limited upstream_quota upstream_unavailable upstream_timeout circuit_open idempotency_in_progress " +
    "overloaded secret_store_unavailable state_unavailable issuer_unavailable no_answer"],
  [LookFirst, "outcome_unknown upstream_invalid_response internal"],
];

/** The class of each code. */
export const BY_CODE: ReadonlyMap<string, Kind> = new Map(
  CODES.flatMap(([kind, codes]) => codes.split(" ").map((code) => [code, kind] as const)),
);

/** Return a problem as its class. An unknown code is read by `retryable`, then by its status. */
export function errorOf(problem: Problem, key?: string, trace?: string): GatehouseError {
  const status = problem.status ?? 500;
  const unknown = problem.retryable ? TryLater
    : [401, 403, 423].includes(status) ? AskAPerson
    : status < 500 ? FixTheCall : LookFirst;
  return new (BY_CODE.get(problem.code) ?? unknown)(problem, key, trace);
}
