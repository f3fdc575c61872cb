/** What the gateway answers, as values. */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Input = Record<string, unknown>;

export type Status =
  | "succeeded" | "shadowed" | "failed" | "denied" | "outcome_unknown" | "cancelled" | "expired"
  | "pending_approval" | "queued" | "running";

const WAITING: ReadonlySet<string> = new Set(["pending_approval", "queued", "running"]);

/** A call. `output` is what the action returns; null while the call waits, and where it was only shadowed. */
export interface Call<Output = any> {
  readonly id: string;
  readonly action: string;
  readonly status: Status;
  readonly run: string;
  readonly connection?: string | null;
  readonly output: Output;
  readonly decision?: Decision;
  readonly replayed: boolean;
  /** What was cut from the output and where to read it: `output` of the client does. */
  readonly truncated?: { pointer: string; returned?: number; total?: number; href: string };
  /** The idempotency key that the call was made under. */
  readonly key?: string;
}

export interface Decision {
  readonly effect: "allow" | "ask" | "shadow" | "deny";
  readonly reasons?: readonly string[];
  readonly risk: { readonly score: number; readonly facts: readonly string[] };
  readonly grants: readonly string[];
}

/** What a call would do. */
export interface Preview {
  readonly action: string;
  readonly connection: string;
  readonly decision: Decision;
  readonly requests: readonly Record<string, unknown>[];
  readonly predicted_change?: readonly Record<string, unknown>[];
}

/** An action that the key may call. The schemas are there in a full description. */
export interface ActionInfo {
  readonly name: string;
  readonly title: string;
  readonly effect: string;
  readonly scopes: readonly string[];
  readonly connections: readonly string[];
  readonly description?: string;
  readonly input_schema?: Record<string, unknown>;
  readonly output_schema?: Record<string, unknown>;
}

/** A file that the gateway keeps for a day. An input takes `{file: id}`. */
export interface StoredFile {
  readonly id: string;
  readonly file: string;
  readonly media_type: string;
  readonly size: number;
  readonly sha256: string;
}

/** One link of a run's timeline. */
export interface Event {
  readonly id: string;
  readonly seq: number;
  readonly at: string;
  readonly type: string;
  readonly call?: string;
  readonly data: Record<string, unknown>;
}

export interface Page<Item> {
  readonly items: Item[];
  readonly next_cursor: string | null;
}

/** Whether nothing more will happen to a call. */
export function ended(call: Call): boolean {
  return !WAITING.has(call.status);
}
