/** One request and its tries. What may be sent twice is known from the request alone. */

import { errorOf, GatehouseError, LookFirst, type Problem, TryLater } from "./errors.js";

export interface Patience {
  /** How often a call is sent at most, */
  readonly tries: number;
  /** within how many seconds. */
  readonly seconds: number;
  /** Seconds before the second try where the gateway names no time; doubled each time. */
  readonly pause: number;
  /** Seconds that a call which waits for a person, or runs on, is waited for. */
  readonly wait: number;
}

export const PATIENCE: Patience = { tries: 6, seconds: 90, pause: 0.25, wait: 300 };
const LONGEST_PAUSE = 8;
const NOT_SENT = new Set([
  "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT",
]);

export interface Send {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
  /** Seconds that the answer is waited for. */
  readonly seconds?: number;
  /** Whether sending it twice does no harm: a read, or anything under an idempotency key. */
  readonly repeatable: boolean;
}

export interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly content: Uint8Array;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
export type Sleep = (seconds: number) => Promise<void>;

/** Sends requests until they are answered. The key is in a private member: nothing that is printed shows it. */
export class Exchange {
  readonly #key: string;

  constructor(
    readonly url: string,
    key: string,
    readonly patience: Patience,
    private readonly fetch: Fetch,
    readonly sleep: Sleep,
  ) {
    this.#key = key;
  }

  /** Return a text without the key. */
  hidden(text: string): string {
    return text.replaceAll(this.#key, "***");
  }

  /** Return the answer. Throws the problem's class. */
  async ask(send: Send): Promise<Received> {
    const key = send.headers?.["Idempotency-Key"];
    const deadline = now() + this.patience.seconds;
    for (let tries = 1; ; tries++) {
      const answer = await this.#once(send);
      const error = answer instanceof Lost
        ? new TryLater(noAnswer(`The gateway did not answer: ${answer.reason}.`), key)
        : failure(answer, key, (text) => this.hidden(text));
      if (error === undefined) return answer as Received;
      if (answer instanceof Lost && answer.sent && !send.repeatable) {
        throw new LookFirst({ ...error.problem, retryable: false }, key);
      }
      const pause = this.#pause(error, tries);
      // The first call under this key still runs: that is no failed try, however often it is said.
      const spent = tries >= this.patience.tries && error.code !== "idempotency_in_progress";
      if (!error.retryable || spent || now() + pause > deadline) throw error;
      await this.sleep(pause);
    }
  }

  async #once(send: Send): Promise<Received | Lost> {
    try {
      const response = await this.fetch(this.url + send.path, {
        method: send.method,
        headers: { ...send.headers, Authorization: `Bearer ${this.#key}` },
        redirect: "manual",
        signal: AbortSignal.timeout((send.seconds ?? 75) * 1000),
        ...(send.body === undefined ? {} : { body: send.body as BodyInit }),
      });
      const content = new Uint8Array(await response.arrayBuffer());
      return { status: response.status, headers: response.headers, content };
    } catch (error) {
      return lost(error);
    }
  }

  #pause(error: GatehouseError, tries: number): number {
    const own = Math.min(this.patience.pause * 2 ** (tries - 1), LONGEST_PAUSE) * (0.5 + Math.random() / 2);
    return error.retryAfterMs === undefined ? own : Math.max(error.retryAfterMs / 1000, own / 4);
  }
}

class Lost {
  constructor(readonly reason: string, readonly sent: boolean) {}
}

/** Return what came of a request without an answer. Its words are a name: a message may quote anything. */
function lost(error: unknown): Lost {
  const cause = (error as { cause?: { code?: unknown } }).cause?.code;
  const reason = typeof cause === "string" ? cause : error instanceof Error ? error.name : "unknown";
  return new Lost(reason, !NOT_SENT.has(reason));
}

/** Return what is wrong with an answer, undefined where it is well. */
export function failure(answer: Received, key?: string, hidden = (text: string) => text): GatehouseError | undefined {
  if (answer.status > 0 && answer.status < 300) return undefined;
  const trace = answer.headers.get("gatehouse-trace") ?? undefined;
  const problem = problemIn(answer, hidden);
  if (problem !== undefined) return errorOf(problem, key, trace);
  const detail = `Something before the gateway answered ${answer.status}.`;
  if ([502, 503, 504].includes(answer.status)) {
    return new TryLater({ ...noAnswer(detail), status: answer.status }, key, trace);
  }
  const hint = "Is the URL the gateway's root?";
  return errorOf({ code: "no_gateway", status: answer.status || 302, detail, hint }, key, trace);
}

/** Return an answer's JSON. Throws `LookFirst` where it is none: what happened is not known. */
export function bodyOf<T>(answer: Received): T {
  try {
    return JSON.parse(new TextDecoder().decode(answer.content)) as T;
  } catch {
    const detail = `The answer with status ${answer.status} is not JSON.`;
    throw new LookFirst({ code: "no_gateway", status: answer.status, detail });
  }
}

/** Return the monotonic clock in seconds. */
export function now(): number {
  return performance.now() / 1000;
}

function problemIn(answer: Received, hidden: (text: string) => string): Problem | undefined {
  if (!(answer.headers.get("content-type") ?? "").includes("json")) return undefined;
  try {
    const value: unknown = JSON.parse(hidden(new TextDecoder().decode(answer.content)));
    return typeof value === "object" && value !== null && "code" in value ? (value as Problem) : undefined;
  } catch {
    return undefined;
  }
}

function noAnswer(detail: string): Problem {
  const hint = "The same call under the same key is safe to repeat.";
  return { code: "no_answer", detail, retryable: true, hint };
}
