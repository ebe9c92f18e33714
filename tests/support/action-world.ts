import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { PlannedAction, PrimitiveAction, Sh } from '../../src/core/index.ts';
import { executeActions } from '../../src/engine/execute.ts';
import type { Guest } from '../../src/engine/guest.ts';
import { guestOf } from './ssh-guest.ts';
import { startSshServer, type TestSshServer, type TestSshServerOptions } from './ssh-server.ts';
import { type TestContext, testContext } from './test-context.ts';

/** What a test has: a guest whose scripts run on this host, and what was told of them. */
export interface ActionWorld {
  server: TestSshServer;
  guest: Guest;
  context: TestContext;
}

/** A guest for each test of a file, actions for it, and how they are executed there. */
export function actionWorld() {
  const world = {} as ActionWorld;
  let count = 0;

  async function start(options: TestSshServerOptions = {}): Promise<void> {
    world.server = await startSshServer(options);
    world.context = await testContext();
    world.guest = await guestOf(world.server, world.context.signal);
  }

  async function stop(): Promise<void> {
    await world.guest[Symbol.asyncDispose]();
    await world.server[Symbol.asyncDispose]();
    await world.context[Symbol.asyncDispose]();
  }

  beforeEach(() => start());
  afterEach(stop);

  /** The same with another server. */
  async function restart(options: TestSshServerOptions): Promise<void> {
    await stop();
    await start(options);
  }

  const plan = (action: PrimitiveAction): PlannedAction => ({ ...action, id: `node/${++count}`, recipe: 'node' });
  const exec = (script: Sh, options: { timeoutMs?: number; attempts?: number } = {}) =>
    plan({ kind: 'exec', title: 'an action', script, timeoutMs: 5000, ...options });
  const put = (text: string, path: string, mode = '0644') =>
    plan({ kind: 'put', title: 'a file', content: { kind: 'text', text }, path, mode, owner: 'root:root' });
  const execute = (actions: readonly PlannedAction[], files = new Map<string, string>()) =>
    executeActions(world.guest, actions, { files, context: world.context });
  const logged = () => world.context.events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
  /** Path of a file in the folder of the server. */
  const file = (name: string) => join(world.server.dir, name);
  return { world, restart, plan, exec, put, execute, logged, file };
}

/** What some work failed with; undefined when it did not. */
export const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
