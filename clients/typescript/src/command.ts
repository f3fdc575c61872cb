#!/usr/bin/env node
/** The command `gatehouse-types`. */

import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { types } from "./generate.js";

const USAGE = `gatehouse-types OUT.ts [--url URL | --document FILE] [--connector NAME]... [--check]

Writes a gateway's actions as types. --url is GATEHOUSE_URL where it is left out; no key is needed.
--check writes nothing and fails where the file would change.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: "string" },
      document: { type: "string" },
      connector: { type: "string", multiple: true },
      check: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const out = positionals[0];
  if (values.help) return console.log(USAGE);
  if (positionals.length !== 1 || !out?.endsWith(".ts")) throw new Error(`name one .ts file to write\n\n${USAGE}`);
  const text = types(await read(values.document, values.url), values.connector);
  if (!values.check) return writeFile(out, text);
  if ((await readFile(out, "utf8").catch(() => "")) !== text) {
    throw new Error(`${out} is not what the gateway says; write it anew without --check`);
  }
}

async function read(document?: string, url?: string): Promise<unknown> {
  if (document !== undefined) return JSON.parse(await readFile(document, "utf8"));
  const root = (url ?? process.env["GATEHOUSE_URL"] ?? "http://127.0.0.1:8080").replace(/\/+$/, "");
  const answer = await fetch(`${root}/openapi.json`, { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(`${root}/openapi.json answered ${answer.status}`);
  return answer.json();
}

main().catch((error: unknown) => {
  console.error(`gatehouse-types: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
