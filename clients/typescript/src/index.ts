/** The TypeScript client of Gatehouse. */

export { type Action, type ActionPath, type ActionTree, type AnyAction, type Listing } from "./actions.js";
export { type CallOptions, Client, type ClientOptions, type Gatehouse, gatehouse, type Outcome, Run, type RunDetails }
  from "./client.js";
export {
  AskAPerson, ConnectFirst, FixTheCall, GatehouseError, LookFirst, type Problem, StillWaiting, TryLater, VendorRefused,
} from "./errors.js";
export type { Patience } from "./exchange.js";
export type { ActionInfo, Call, Event, Input, Preview, Status, StoredFile } from "./values.js";
