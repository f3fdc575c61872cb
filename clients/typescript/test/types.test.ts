import assert from "node:assert/strict";
import { test } from "node:test";

import { types } from "../src/generate.js";

const REF = "#/components/schemas/";

function document(input: object, output: object = {}, more: object = {}): object {
  const schemas = { "acme.thing.do.input": input, "acme.thing.do.output": output, ...more };
  const post = { description: "Ends */ here" };
  return { paths: { "/v1/actions/acme.thing.do": { post } }, components: { schemas } };
}

test("what callers give may leave out what is not required; answers have all", () => {
  const properties = { a: { type: "string" }, "b-c": { type: ["integer", "null"] } };
  const text = types(document({ type: "object", required: ["a"], properties }, { type: "object", properties }));
  assert.match(text, /AcmeThingDoInput \{\n {2}a: string;\n {2}"b-c"\?: number \| null;/);
  assert.match(text, /AcmeThingDoOutput \{\n {2}a: string;\n {2}"b-c": number \| null;/);
});

test("a text of the gateway cannot end a comment", () => {
  assert.ok(!types(document({ type: "object" })).includes("Ends */ here"));
});

test("a schema that leads back to itself ends", () => {
  const loop = { anyOf: [{ type: "string" }, { type: "array", items: { $ref: `${REF}Loop` } }] };
  const text = types(document({ type: "object", properties: { loop: { $ref: `${REF}Loop` } } }, {}, { Loop: loop }));
  assert.match(text, /type Loop = unknown;/);
});

test("what is no document is refused", () => {
  for (const wrong of [null, [], {}, { paths: {} }]) assert.throws(() => types(wrong), Error);
  assert.throws(() => types(document({ type: "object", properties: { a: { $ref: `${REF}Nowhere` } } })), /Nowhere/);
});
