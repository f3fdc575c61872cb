/** A gateway as one agent sees it. Source: the gateway's `/openapi.json` and `docs/api.md`. */

import { type ActionTree, byName, type Door } from "./actions.js";
import { errorOf, GatehouseError, type Problem, StillWaiting } from "./errors.js";
import { bodyOf, Exchange, type Fetch, now, type Patience, PATIENCE, type Received, type Sleep } from "./exchange.js";
import { type ActionInfo, type Call, ended, type Event, type Input, type Page, type Preview, type StoredFile }
  from "./values.js";

const LONG_POLL = 60;
const MARGIN = 15;

/** What goes along with calls. `timeout` bounds in seconds how long the gateway keeps the caller, not the call. */
export interface CallOptions {
  key?: string;
  run?: string;
  connection?: string;
  actor?: string;
  reason?: string;
  confidence?: number;
  timeout?: number;
  traceparent?: string;
}

export interface ClientOptions {
  url: string;
  key: string;
  patience?: Partial<Patience>;
  fetch?: Fetch;
  sleep?: Sleep;
}

export interface RunDetails {
  workUnit?: string;
  labels?: Record<string, string>;
  agentVersion?: string;
}

/** How a run ends. `quantity` and `cost` are decimal strings. */
export interface Outcome {
  result: "succeeded" | "failed" | "escalated";
  cause?: string;
  quantity?: string;
  cost?: string;
}

const HEADERS: Record<keyof CallOptions, string> = {
  key: "Idempotency-Key",
  run: "Gatehouse-Run",
  connection: "Gatehouse-Connection",
  actor: "Gatehouse-Actor",
  reason: "Gatehouse-Reason",
  confidence: "Gatehouse-Confidence",
  timeout: "Gatehouse-Timeout",
  traceparent: "traceparent",
};

/** Everything that can be asked of a gateway. */
export class Client implements Door {
  constructor(protected readonly exchange: Exchange, protected readonly options: CallOptions = {}) {}

  /** Run an action and return its call once it has ended well. */
  async call(action: string, input: Input = {}): Promise<Call> {
    const started = await this.#run(action, input, {});
    return ended(started) ? started : this.wait(started.id);
  }

  /** Run an action and return its call as it stands: it may wait for a person, or still run. */
  start(action: string, input: Input = {}): Promise<Call> {
    return this.#run(action, input, { Prefer: "respond-async" });
  }

  /** Return what a call would do. Nothing is sent to the vendor but reads. */
  async preview(action: string, input: Input = {}): Promise<Preview> {
    const { "Idempotency-Key": _, ...headers } = headersOf(this.options);
    return this.#post(path("actions", action, "preview"), input, headers, true);
  }

  /** Go through the items of all pages of an action that lists, also those that were cut from an answer. */
  async *items(action: string, input: Input = {}): AsyncGenerator<any, void, void> {
    const { key: _, ...options } = this.options;
    const client = new Client(this.exchange, options);
    for (let cursor: unknown = input["cursor"]; cursor !== null; ) {
      const asked = cursor === undefined ? input : { ...input, cursor };
      const call: Call<Page<unknown>> = await client.call(action, asked);
      yield* call.output.items;
      if (call.truncated) yield* this.output(call.id, "/items", call.truncated.returned);
      cursor = call.output.next_cursor ?? null;
    }
  }

  /** Return a call as it stands, waiting at most a minute for its end. Throws its problem where it failed. */
  async look(call: string, seconds = 0): Promise<Call> {
    const query = seconds ? { wait: String(seconds) } : {};
    const found = await this.#get<Call & { error?: Problem }>(path("calls", call) + search(query), seconds + MARGIN);
    if (found.error) throw errorOf({ call, ...found.error });
    return found;
  }

  /** Return a call once it has ended well. Throws its problem, and `StillWaiting` when the time is up. */
  async wait(call: string, seconds = this.exchange.patience.wait): Promise<Call> {
    const deadline = now() + seconds;
    for (;;) {
      const askedAt = now();
      const left = Math.max(0, Math.min(LONG_POLL, Math.ceil(deadline - askedAt)));
      const found = await this.look(call, left);
      if (ended(found)) return found;
      if (now() >= deadline) throw new StillWaiting(waiting(found));
      // A gateway that is about to stop answers a long-poll at once.
      if (now() - askedAt < 1) await this.exchange.sleep(Math.min(1, Math.max(deadline - now(), 0.05)));
    }
  }

  /** Take a call back before it is sent. */
  async cancel(call: string): Promise<Call> {
    return bodyOf(await this.exchange.ask({ method: "POST", path: path("calls", call, "cancel"), repeatable: true }));
  }

  /** Go through a part of a call's output (RFC 6901 pointer), however large it is. */
  async *output(call: string, pointer = "", skip = 0): AsyncGenerator<any, void, void> {
    let number = 0;
    for await (const item of this.#pages(path("calls", call, "output"), { pointer })) {
      if (number++ >= skip) yield item;
    }
  }

  /** Go through the actions that the key may call now; `q` ranks them. Schemas are there with `fields: "full"`. */
  actions(
    filters: { q?: string; connector?: string; effect?: string; connection?: string; fields?: "full" } = {},
  ): AsyncGenerator<ActionInfo, void, void> {
    return this.#pages(path("actions"), filters);
  }

  /** Return one action with its schemas, and with the tenant's own fields on a connection. */
  describe(action: string, filters: { connection?: string; kind?: string } = {}): Promise<ActionInfo> {
    return this.#get(path("actions", action) + search(filters));
  }

  /** Keep a file at the gateway for a day. */
  async upload(content: Uint8Array, mediaType = "application/octet-stream"): Promise<StoredFile> {
    const headers = { "Content-Type": mediaType };
    return bodyOf(await this.exchange.ask({ method: "POST", path: path("files"), headers, body: content, repeatable: true }));
  }

  /** Return a file's bytes, by its id or as an output names it. */
  async download(file: string | { file: string }): Promise<{ content: Uint8Array; mediaType: string }> {
    const id = typeof file === "string" ? file : file.file;
    const answer = await this.exchange.ask({ method: "GET", path: path("files", id), repeatable: true });
    return { content: answer.content, mediaType: answer.headers.get("content-type") ?? "application/octet-stream" };
  }

  /** Go through what happened in a run, in order. */
  timeline(run: string): AsyncGenerator<Event, void, void> {
    return this.#pages(path("runs", run), {});
  }

  /** @internal */
  async openRun(details: RunDetails): Promise<string> {
    const body = { work_unit: details.workUnit, labels: details.labels, agent_version: details.agentVersion };
    const headers: Record<string, string> = this.options.actor ? { "Gatehouse-Actor": this.options.actor } : {};
    return (await this.#post<{ id: string }>(path("runs"), body, headers, false)).id;
  }

  /** @internal */
  async note(run: string, type: string, data: Record<string, unknown>): Promise<void> {
    await this.#post(path("runs", run, "events"), { type, data }, {}, false);
  }

  /** @internal */
  async closeRun(run: string, outcome: Outcome): Promise<void> {
    await this.#post(path("runs", run, "outcome"), outcome, {}, false);
  }

  async #run(action: string, input: Input, more: Record<string, string>): Promise<Call> {
    // The key is made before the first try, and every try carries it.
    const key = this.options.key ?? crypto.randomUUID();
    const headers = { ...headersOf({ ...this.options, key }), ...more };
    const seconds = this.options.timeout === undefined ? undefined : this.options.timeout + MARGIN;
    return { ...(await this.#post<Call>(path("actions", action), input, headers, true, seconds)), key };
  }

  async #post<T>(
    path: string, body: object, headers: Record<string, string>, repeatable: boolean, seconds?: number,
  ): Promise<T> {
    const sent = { ...headers, "Content-Type": "application/json" };
    const wait = seconds === undefined ? {} : { seconds };
    const answer: Received = await this.exchange.ask(
      { method: "POST", path, headers: sent, body: JSON.stringify(body), repeatable, ...wait },
    );
    return bodyOf<T>(answer);
  }

  async #get<T>(path: string, seconds?: number): Promise<T> {
    const wait = seconds === undefined ? {} : { seconds };
    return bodyOf<T>(await this.exchange.ask({ method: "GET", path, repeatable: true, ...wait }));
  }

  async *#pages<T>(path: string, query: Record<string, string | undefined>): AsyncGenerator<T, void, void> {
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: Page<T> = await this.#get(path + search({ ...query, limit: "200", cursor }));
      yield* page.items;
      cursor = page.next_cursor;
    }
  }
}

/** A run: calls through it belong to it. */
export class Run extends Client {
  #outcome: Outcome | undefined;

  constructor(exchange: Exchange, options: CallOptions, readonly id: string) {
    super(exchange, { ...options, run: id });
  }

  /** Record what the user asked for. */
  userRequest(content: string | Record<string, unknown>): Promise<void> {
    return this.note(this.id, "user_request", told(content));
  }

  /** Record what the agent looked at: a document, a ticket, a search. */
  context(reference: string, more: Record<string, unknown> = {}): Promise<void> {
    return this.note(this.id, "context_ref", { reference, ...more });
  }

  /** Record what the model said. */
  modelOutput(content: string | Record<string, unknown>): Promise<void> {
    return this.note(this.id, "model_output", told(content));
  }

  /** Record what the user got. */
  finalOutput(content: string | Record<string, unknown>): Promise<void> {
    return this.note(this.id, "final_output", told(content));
  }

  /** Say how it ends; sent when its work has ended. */
  outcome(outcome: Outcome): void {
    this.#outcome = outcome;
  }

  /** Go through what happened in it, in order. */
  events(): AsyncGenerator<Event, void, void> {
    return this.timeline(this.id);
  }

  /** @internal Close it as its work ended. */
  async end(error?: { thrown: unknown }): Promise<void> {
    const outcome = error === undefined ? (this.#outcome ?? { result: "succeeded" as const }) : this.#failed(error.thrown);
    await this.closeRun(this.id, outcome);
  }

  #failed(thrown: unknown): Outcome {
    const said = thrown instanceof GatehouseError ? `${thrown.code}: ${thrown.detail}` : String(thrown);
    return { result: "failed", cause: this.exchange.hidden(said).slice(0, 2000) };
  }
}

/** The client of programs: `A` are its actions, which `gatehouse-types` writes. */
export class Root<A extends object> extends Client {
  /** Return this client with options for its calls. A `key` is for one call. */
  using(options: CallOptions): Gatehouse<A> {
    return byName(new Root<A>(this.exchange, { ...this.options, ...options })) as Gatehouse<A>;
  }

  /** Do work in a run. It closes as succeeded, as failed where the work throws, or as its `outcome` says. */
  async run<T>(details: RunDetails, work: (run: Run & A) => Promise<T>): Promise<T> {
    const run = new Run(this.exchange, this.options, await this.openRun(details));
    let result: T;
    try {
      result = await work(byName(run) as Run & A);
    } catch (thrown) {
      // What went wrong goes on, also where closing fails.
      await run.end({ thrown }).catch(() => undefined);
      throw thrown;
    }
    await run.end();
    return result;
  }
}

export type Gatehouse<A extends object = ActionTree> = Root<A> & A;

/** Return a client. Throws without a key, and for plain http to another machine, where others could read it. */
export function gatehouse<A extends object = ActionTree>(options: ClientOptions): Gatehouse<A> {
  const url = new URL(options.url);
  const loopback = ["localhost", "[::1]"].includes(url.hostname) || /^127\./.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw new TypeError(`${url.origin} is not https; plain http is for loopback`);
  }
  if (url.username || url.password || url.search) throw new TypeError("the gateway's URL is a root: no user, no query");
  if (!/^[!-~]+$/.test(options.key)) throw new TypeError("no agent key was given");
  const patience = { ...PATIENCE, ...options.patience };
  const send: Fetch = options.fetch ?? ((where, init) => fetch(where, init));
  const root = (url.origin + url.pathname).replace(/\/+$/, "");
  const exchange = new Exchange(root, options.key, patience, send, options.sleep ?? sleep);
  return byName(new Root<A>(exchange)) as Gatehouse<A>;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function headersOf(options: CallOptions): Record<string, string> {
  const given = Object.entries(HEADERS).map(([name, header]) => [header, options[name as keyof CallOptions]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]));
}

function told(content: string | Record<string, unknown>): Record<string, unknown> {
  return typeof content === "string" ? { text: content } : content;
}

function path(...parts: string[]): string {
  return "/v1/" + parts.map(encodeURIComponent).join("/");
}

function search(query: Record<string, string | null | undefined>): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] != null);
  return given.length ? "?" + new URLSearchParams(given).toString() : "";
}

function waiting(call: Call): Problem {
  const detail = `The call ${call.id} is ${call.status} after the time that it was waited for.`;
  return { code: call.status, detail, call: call.id, hint: "It goes on without you; wait for it again by its id." };
}
