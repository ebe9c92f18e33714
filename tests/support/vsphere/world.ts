import type { FakeLibrary } from './library.ts';
import type { FakeMachines } from './machines.ts';

export interface Task {
  polls: number;
  result: Promise<unknown>;
  outcome?: { readonly value: unknown } | { readonly error: unknown };
}

/** Everything that the fake knows. */
export interface World {
  readonly version: string;
  readonly library: FakeLibrary;
  readonly machines: FakeMachines;
  readonly tasks: Map<string, Task>;
  origin: string;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Of a body that is text and no JSON. */
  readonly type?: string;
}

export interface Call {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
}

export type Body = Record<string, unknown>;
export type Route = (world: World, ids: readonly string[], body: Body, url: URL) => Promise<Answer> | Answer;

export const ok = (body: unknown): Answer => ({ status: 200, body });
export const created = (body: unknown): Answer => ({ status: 201, body });
export const done: Answer = { status: 204 };

/** Routes by `METHOD /path/*?action=…`, stars standing for identifiers. */
export type Routes = Readonly<Record<string, Route>>;

export function field(value: unknown, key: string): string {
  return String((value as Body)[key]);
}
