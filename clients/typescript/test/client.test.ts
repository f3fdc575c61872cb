import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import {
  AskAPerson, FixTheCall, gatehouse, GatehouseError, LookFirst, StillWaiting, TryLater, VendorRefused,
} from "../src/index.js";
import { stage } from "./stage.js";

const NOTE = { box: "red", text: "hello" };

async function caught<E extends GatehouseError>(work: Promise<unknown>, kind: new (...given: any[]) => E): Promise<E> {
  const error = await work.then(() => assert.fail("nothing was thrown"), (thrown: unknown) => thrown);
  assert.ok(error instanceof kind, inspect(error));
  return error;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("an action is an attribute", async () => {
  const s = await stage();
  const call = await s.connect().toy.note.create(NOTE);
  assert.equal(call.status, "succeeded");
  assert.equal(call.output.text, "hello");
  assert.deepEqual((await s.seen()).applied, ["POST /boxes/red/notes"]);
});

test("an answer that was lost after the effect is fetched again and one record is made", async () => {
  const s = await stage();
  await s.faults("lose_answer");
  const call = await s.connect().toy.note.create(NOTE);
  const seen = await s.seen();
  assert.equal(call.replayed, true);
  assert.equal(seen.applied.length, 1);
  assert.equal(seen.keys.length, 2);
  assert.equal(new Set(seen.keys).size, 1);
  assert.equal(call.key, seen.keys[0]);
});

test("a request that never arrived is sent again under the same key", async () => {
  const s = await stage();
  await s.faults("lose_request", "html");
  const call = await s.connect().toy.note.create(NOTE);
  assert.equal(call.replayed, false);
  assert.equal((await s.seen()).requests, 3);
  assert.equal((await s.seen()).applied.length, 1);
});

test("tries have an end and the error has the key to go on with", async () => {
  const s = await stage();
  await s.faults(...Array<string>(6).fill("lose_answer"));
  const gh = s.connect();
  const error = await caught(gh.toy.note.create(NOTE), TryLater);
  assert.equal(error.code, "no_answer");
  const call = await gh.using({ key: error.key! }).toy.note.create(NOTE);
  assert.equal(call.replayed, true);
  assert.equal((await s.seen()).applied.length, 1);
});

test("a limit is waited out for as long as the gateway says", async () => {
  const s = await stage({ limits: { writes_per_minute: 1 } });
  const gh = s.connect({ patience: { seconds: 90 } });
  await gh.toy.note.create(NOTE);
  assert.equal((await gh.toy.note.create(NOTE)).status, "succeeded");
  assert.equal(s.naps.length, 1);
  assert.ok(s.naps[0]! > 59 && s.naps[0]! < 60.1);
});

test("a limit that lasts longer than one waits is told at once", async () => {
  const s = await stage({ limits: { writes_per_minute: 1 } });
  const gh = s.connect();
  await gh.toy.note.create(NOTE);
  const error = await caught(gh.toy.note.create(NOTE), TryLater);
  assert.equal(error.code, "rate_limited");
  assert.ok(error.retryAfterMs! > 59_000);
  assert.deepEqual(s.naps, []);
});

test("a call waits for the person who approves it", async () => {
  const s = await stage({ autonomy: "approve" });
  const call = s.connect().toy.note.create(NOTE);
  await s.decide(true);
  assert.equal((await call).status, "succeeded");
  assert.equal((await s.seen()).applied.length, 1);
});

test("a call that a person refuses sends nothing", async () => {
  const s = await stage({ autonomy: "approve" });
  const call = caught(s.connect().toy.note.create(NOTE), AskAPerson);
  await s.decide(false);
  assert.equal((await call).code, "approval_denied");
  assert.deepEqual((await s.seen()).reached, []);
});

test("waiting for a person has a bound and the call stays", async () => {
  const s = await stage({ autonomy: "approve" });
  const gh = s.connect({ patience: { wait: 0.2 } });
  const error = await caught(gh.toy.note.create(NOTE), StillWaiting);
  assert.equal(error.code, "pending_approval");
  await s.decide(true);
  assert.equal((await gh.wait(error.call!, 20)).output.text, "hello");
});

test("a parked call can be taken back", async () => {
  const s = await stage({ autonomy: "approve" });
  const gh = s.connect();
  const started = await gh.toy.note.create.start(NOTE);
  assert.equal((await gh.cancel(started.id)).status, "cancelled");
  assert.equal((await caught(gh.wait(started.id), AskAPerson)).code, "cancelled");
  assert.deepEqual((await s.seen()).reached, []);
});

test("a preview shows the requests and sends none", async () => {
  const s = await stage();
  const preview = await s.connect().toy.note.create.preview(NOTE);
  assert.equal(preview.requests[0]!["method"], "POST");
  assert.deepEqual((await s.seen()).applied, []);
});

test("errors are classes by what to do next", async () => {
  const s = await stage();
  const gh = s.connect();
  const wrong = await caught(gh.toy.note.create({ box: "red", colour: "blue" }), FixTheCall);
  assert.deepEqual(wrong.errors.map((fault) => fault.pointer), ["/colour"]);
  const refused = await caught(gh.toy.note.get({ box: "red", id: 99 }), VendorRefused);
  assert.equal(refused.upstream!["status"], 404);
  await s.vendor("POST /boxes", "reset_after");
  const unknown = await caught(gh.toy.note.create(NOTE), LookFirst);
  assert.equal(unknown.code, "outcome_unknown");
  assert.equal((await s.seen()).applied.length, 1);
});

test("all pages are gone through, also what was cut", async () => {
  const gh = (await stage()).connect();
  const items = await all(gh.toy.note.count.items({ count: 500, size: 2000 }));
  assert.equal(items.length, 500);
  const made = [];
  for (const text of ["a", "b", "c"]) made.push((await gh.toy.note.create({ box: "pages", text })).output.id);
  const paged = await all<any>(gh.toy.note.list.items({ box: "pages", limit: 2 }));
  assert.deepEqual(paged.map((note) => note.id).slice(-3), made);
});

test("a file goes up and comes down", async () => {
  const gh = (await stage()).connect();
  const file = await gh.upload(new Uint8Array([0, 1, 255]), "image/png");
  const back = await gh.download(file);
  assert.deepEqual([...back.content], [0, 1, 255]);
  assert.equal(back.mediaType, "image/png");
});

test("a run records what the agent knows and closes as succeeded", async () => {
  const gh = (await stage()).connect();
  const id = await gh.run({ workUnit: "ticket 12" }, async (run) => {
    await run.userRequest("The login is broken.");
    await run.context("zendesk ticket 12");
    await run.toy.note.create(NOTE);
    await run.modelOutput({ text: "An issue is needed." });
    await run.finalOutput("Filed.");
    return run.id;
  });
  const types = (await all(gh.timeline(id))).map((event) => event.type);
  assert.deepEqual(types.slice(0, 3), ["user_request", "context_ref", "call_requested"]);
  assert.deepEqual(types.slice(-3), ["model_output", "final_output", "outcome"]);
});

test("work that throws closes its run as failed, and the key is not in the cause", async () => {
  const s = await stage();
  const gh = s.connect();
  let id = "";
  await assert.rejects(
    gh.run({}, async (run) => {
      id = run.id;
      throw new RangeError(`with ${s.key} in it`);
    }),
    RangeError,
  );
  const last = (await all(gh.timeline(id))).at(-1)!;
  assert.deepEqual(last.data["data"], { result: "failed", cause: "RangeError: with *** in it" });
});

test("a note whose answer was lost is not written twice", async () => {
  const s = await stage();
  const gh = s.connect();
  let id = "";
  await caught(
    gh.run({}, async (run) => {
      id = run.id;
      await s.faults("lose_answer");
      await run.finalOutput("once");
    }),
    LookFirst,
  );
  assert.deepEqual((await all(gh.timeline(id))).map((event) => event.type), ["final_output", "outcome"]);
});

test("the key is never shown", async () => {
  const s = await stage();
  const gh = s.connect();
  const error = await caught(gh.using({ connection: "toy/other" }).toy.note.create(NOTE), GatehouseError);
  const secret = s.key.split("_").at(-1)!;
  for (const shown of [inspect(gh, { depth: 9, showHidden: true, getters: true }), inspect(error, { depth: 9 }), JSON.stringify(gh)]) {
    assert.ok(!shown.includes(secret));
  }
});

test("a client is not made where its key would be read or is none", () => {
  assert.throws(() => gatehouse({ url: "http://gatehouse.example", key: "ghk_x" }), /not https/);
  assert.throws(() => gatehouse({ url: "https://u:p@gatehouse.example", key: "ghk_x" }), /no user/);
  assert.throws(() => gatehouse({ url: "https://gatehouse.example", key: "" }), /no agent key/);
});

test("a client can be returned from an async function", async () => {
  const gh = await (async () => gatehouse({ url: "https://gatehouse.example", key: "ghk_x" }))();
  assert.equal(typeof gh.call, "function");
});
