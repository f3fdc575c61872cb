/** Actions by attribute: `gh.github.issue.create({...})`. The gateway knows the names. */

import type { Call, Input, Preview } from "./values.js";

/** What runs actions by name. */
export interface Door {
  call(action: string, input?: Input): Promise<Call>;
  start(action: string, input?: Input): Promise<Call>;
  preview(action: string, input?: Input): Promise<Preview>;
  items(action: string, input?: Input): AsyncGenerator<any, void, void>;
}

/** An action with its types. */
export interface Action<I, O> {
  (input: I): Promise<Call<O>>;
  /** Run it and return the call as it stands. */
  start(input: I): Promise<Call<O | null>>;
  /** Return what it would do. */
  preview(input: I): Promise<Preview>;
}

/** An action that lists. */
export interface Listing<I, O extends { items: unknown[] }> extends Action<I, O> {
  /** Go through the items of all pages. */
  items(input: I): AsyncGenerator<O["items"][number], void, void>;
}

/** Actions whose types nobody has written. */
export interface AnyAction {
  (input?: Input): Promise<Call>;
  start(input?: Input): Promise<Call>;
  preview(input?: Input): Promise<Preview>;
  items(input?: Input): AsyncGenerator<any, void, void>;
}

export type ActionPath = AnyAction & { readonly [part: string]: ActionPath };
export interface ActionTree { readonly [connector: string]: any }

const METHODS = new Set(["start", "preview", "items"]);

/** Return a client whose unknown members are connectors. `then` is none: a client is no promise. */
export function byName<D extends Door>(door: D): D {
  return new Proxy(door, {
    get(target, name) {
      if (typeof name === "symbol" || name in target || name === "then" || name === "toJSON") {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return node(target, name);
    },
  });
}

function node(door: Door, name: string): unknown {
  const run = (input?: Input) => door.call(name, input);
  return new Proxy(run, {
    get(target, part) {
      if (typeof part === "symbol" || part === "then") return Reflect.get(target, part);
      if (METHODS.has(part)) return (input?: Input) => door[part as "start"](name, input);
      return node(door, `${name}.${part}`);
    },
  });
}
