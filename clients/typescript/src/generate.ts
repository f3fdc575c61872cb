/** Writes a gateway's actions as types, from its OpenAPI 3.1 document. What goes beyond types the gateway checks. */

type Schema = Record<string, any>;
const REF = "#/components/schemas/";
const ACTION = /^\/v1\/actions\/([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)$/;
const PLAIN: Record<string, string> = {
  string: "string", integer: "number", number: "number", boolean: "boolean", null: "null",
};

interface Node {
  action?: { name: string; about: string; paged: boolean };
  children: Map<string, Node>;
}

/** Return the module's text. Throws for what is no gateway's document. */
export function types(document: unknown, connectors: readonly string[] = []): string {
  const paths = (document as Schema | null)?.["paths"];
  const schemas: Schema = (document as Schema | null)?.["components"]?.schemas ?? {};
  if (typeof paths !== "object" || paths === null) throw new Error("this is no OpenAPI document: it has no paths");
  const writer = new Writer(schemas);
  const root: Node = { children: new Map() };
  for (const template of Object.keys(paths).sort()) {
    const name = ACTION.exec(template)?.[1];
    const operation = paths[template].post;
    if (!name || !operation || (connectors.length && !connectors.includes(name.split(".")[0]!))) continue;
    place(root, name, operation, writer);
  }
  if (!root.children.size) throw new Error("the document has no such action");
  const tree = writer.tree(root, 0);
  return `${HEAD}\nexport interface Actions ${tree}\n\n${writer.declarations()}`;
}

const HEAD = `/** The actions of a gateway as types. Written by \`gatehouse-types\`, not by hand. */

import type { Action, Listing } from "gatehouse-client";
`;

function place(root: Node, name: string, operation: Schema, writer: Writer): void {
  let node = root;
  for (const part of name.split(".")) {
    if (!node.children.has(part)) node.children.set(part, { children: new Map() });
    node = node.children.get(part)!;
  }
  const about = String(operation["description"] ?? operation["summary"] ?? name);
  const output = writer.schema(`${REF}${name}.output`)["properties"] ?? {};
  const input = writer.schema(`${REF}${name}.input`)["properties"] ?? {};
  node.action = { name, about, paged: "items" in output && "next_cursor" in output && "cursor" in input };
}

class Writer {
  readonly #names = new Map<string, string>();
  readonly #taken = new Set(["Actions", "Action", "Listing"]);
  readonly #written = new Map<string, string>();

  constructor(private readonly schemas: Schema) {}

  schema(ref: string): Schema {
    const found = this.schemas[ref.slice(REF.length)];
    if (found === undefined) throw new Error(`the document refers to ${ref}, which it does not have`);
    return found;
  }

  tree(node: Node, depth: number): string {
    const pad = "  ".repeat(depth + 1);
    const lines = [...node.children].map(([part, child]) => {
      const doc = child.action ? comment(child.action.about, pad) : "";
      return `${doc}${pad}${member(part)}: ${this.#node(child, depth + 1)};`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }

  declarations(): string {
    return [...this.#written.values()].join("\n\n") + "\n";
  }

  #node(node: Node, depth: number): string {
    if (!node.action) return this.tree(node, depth);
    const { name, paged } = node.action;
    const input = this.#type({ $ref: `${REF}${name}.input` }, true, 0);
    const output = this.#type({ $ref: `${REF}${name}.output` }, false, 0);
    const own = `${paged ? "Listing" : "Action"}<${input}, ${output}>`;
    return node.children.size ? `${own} & ${this.tree(node, depth)}` : own;
  }

  /** Write a schema. In what callers give, a member may be left out that is not required; answers have all. */
  #type(schema: unknown, given: boolean, depth: number): string {
    if (typeof schema !== "object" || schema === null || !Object.keys(schema).length) return "unknown";
    const one = schema as Schema;
    if (one["$ref"]) return this.#referred(one["$ref"], given);
    if ("const" in one || "enum" in one) return ("const" in one ? [one["const"]] : one["enum"]).map(literal).join(" | ");
    const choices: unknown[] | undefined = one["anyOf"] ?? one["oneOf"];
    if (choices) return union(choices.map((choice) => this.#type(choice, given, depth)));
    if (Array.isArray(one["type"])) {
      return union(one["type"].map((type: string) => this.#type({ ...one, type }, given, depth)));
    }
    if (one["type"] === "array") return `Array<${this.#type(one["items"], given, depth)}>`;
    if (one["type"] === "object") return this.#object(one, given, depth);
    return PLAIN[one["type"]] ?? "unknown";
  }

  #object(schema: Schema, given: boolean, depth: number): string {
    const properties: Schema | undefined = schema["properties"];
    if (!properties) {
      const values = schema["additionalProperties"] ?? Object.values(schema["patternProperties"] ?? {})[0];
      return `Record<string, ${this.#type(values, given, depth)}>`;
    }
    const required = new Set<string>(schema["required"] ?? []);
    const pad = "  ".repeat(depth + 1);
    const lines = Object.entries(properties).map(([name, value]) => {
      const optional = given && !required.has(name) ? "?" : "";
      const doc = comment(String((value as Schema)["description"] ?? ""), pad);
      return `${doc}${pad}${member(name)}${optional}: ${this.#type(value, given, depth + 1)};`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }

  #referred(ref: string, given: boolean): string {
    const known = this.#names.get(ref + given);
    if (known) return known;
    let name = ref.slice(REF.length).split(/[^A-Za-z0-9]+/).map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
    while (this.#taken.has(name)) name += "_";
    this.#taken.add(name);
    this.#names.set(ref + given, name);
    this.#written.set(name, "");
    const schema = this.schema(ref);
    const doc = comment(String(schema["description"] ?? ""), "");
    // An object is an interface and may name itself; anything else that leads back to itself would be a circle.
    const text = this.#type(schema, given, 0);
    const body = text.startsWith("{") ? `interface ${name} ${text}` : `type ${name} = ${circular(text, name)};`;
    this.#written.set(name, `${doc}export ${body}`);
    return name;
  }
}

function circular(text: string, name: string): string {
  return new RegExp(`\\b${name}\\b`).test(text) ? "unknown" : text;
}

function union(parts: string[]): string {
  return parts.includes("unknown") ? "unknown" : [...new Set(parts)].join(" | ");
}

function literal(value: unknown): string {
  return typeof value === "object" && value !== null ? "unknown" : JSON.stringify(value);
}

function member(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** Return a comment. The text is another's: it cannot end the comment. */
function comment(text: string, pad: string): string {
  const lines = text.trim().replaceAll("*/", "*\u200b/").split(/\r?\n/);
  if (!lines[0]) return "";
  if (lines.length === 1) return `${pad}/** ${lines[0]} */\n`;
  return [`${pad}/**`, ...lines.map((line) => `${pad} * ${line}`.trimEnd()), `${pad} */`].join("\n") + "\n";
}
