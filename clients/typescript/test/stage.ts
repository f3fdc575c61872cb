/** The stage: a whole gateway with simulated vendors, and a road to it that breaks, which the test run was given. */

import { type Gatehouse, gatehouse, type ClientOptions } from "../src/index.js";

const CONTROL = process.env["GATEHOUSE_TEST_STAGE"] ?? "";

async function ask<T>(what: string, body: object = {}): Promise<T> {
  const answer = await fetch(`${CONTROL}/${what}`, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`the stage answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

export interface Stage {
  url: string;
  key: string;
  /** Seconds that the client slept: its sleeps move the gateway's clock. */
  naps: number[];
  connect(options?: Partial<ClientOptions>): Gatehouse;
  /** What became of the next requests: see the road. */
  faults(...faults: string[]): Promise<void>;
  /** Faults of the vendor. */
  vendor(match: string, fault: string, times?: number): Promise<void>;
  /** What was changed at the vendor under this agent, and the idempotency keys that came. */
  seen(): Promise<{ applied: string[]; reached: string[]; keys: string[]; requests: number }>;
  decide(approve: boolean): Promise<void>;
}

/** Return a stage with an agent of its own. `terms` are those of its grant. */
export async function stage(terms: object = {}): Promise<Stage> {
  const { url, key } = await ask<{ url: string; key: string }>("agent", terms);
  const naps: number[] = [];
  const sleep = async (seconds: number) => {
    naps.push(seconds);
    await ask("forward", { seconds });
  };
  return {
    url,
    key,
    naps,
    connect: (options = {}) =>
      gatehouse({ url, key, sleep, ...options, patience: { seconds: 30, pause: 0.01, wait: 20, ...options.patience } }),
    faults: (...faults) => ask("faults", { faults }),
    vendor: (match, fault, times = 1) => ask("vendor", { match, fault, times }),
    seen: () => ask("seen"),
    decide: (approve) => ask("decide", { approve }),
  };
}
