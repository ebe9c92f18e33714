import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Driver, defineDriver, type RunningMachine, type SeedFiles, type StoppedMachine } from '../../src/core/index.ts';
import { startSshServer, type TestSshServer } from './ssh-server.ts';

/** Programs of the guest that must not be this host's; the guest's scripts find them first. */
const GUEST_PROGRAMS = {
  'cloud-init': `echo '{"status": "done", "errors": []}'`,
  systemctl: 'exit 0',
  'dpkg-query': String.raw`printf 'zlib1g\t1:1.3\tamd64\nbase-files\t13.1\tamd64\n'`,
};

export interface FakeDriver extends AsyncDisposable {
  readonly driver: Driver;
  /** The machines that are powered on, by their id. */
  readonly running: ReadonlyMap<string, TestSshServer>;
}

/**
 * A driver whose machines are SSH servers in this process that run scripts on this host, so give them harmless ones. `onStep` is called
 * wherever a real driver would wait, and may return a promise to wait for. Machines are powered off by disposing, by `reap`, or with the fake itself.
 */
export function fakeDriver(onStep: (what: string) => unknown = () => {}): FakeDriver {
  const running = new Map<string, TestSshServer>();
  const step = async (what: string) => {
    await onStep(what);
  };
  const powerOff = async (id: string) => {
    const server = running.get(id);
    running.delete(id);
    await server?.[Symbol.asyncDispose]();
  };
  let count = 0;
  const driver = defineDriver({
    name: 'fake',
    summary: 'machines in this process',
    options: z.unknown(),
    capabilities: { arch: ['amd64'], firmware: ['bios', 'uefi'], formats: ['raw'], console: true, screenshot: false },
    doctor: async () => [],
    preview: () => [],
    async launch(request, _options, context) {
      const id = `fake-${++count}`;
      await step('launch');
      const removed = await context.journal.acquire({ kind: 'fake:machine', id });
      const state = { isReleased: false };
      const dispose = async () => {
        if (state.isReleased) return;
        await step('dispose');
        await powerOff(id);
        await removed();
      };
      context.scope.defer(id, dispose);
      await step('start');
      running.set(id, await startServer(request.seed));
      await step('started');
      return {
        id,
        slowness: 1,
        exited: new Promise<never>(() => {}),
        console: { path: '', lines: consoleLines, tail: async () => [] },
        async endpoint() {
          await step('endpoint');
          const endpoint = running.get(id)?.endpoint;
          if (endpoint === undefined) throw new Error(`${id} is off`);
          return endpoint;
        },
        async shutdown() {
          await step('shutdown');
          await powerOff(id);
          return stopped(join(context.dirs.work, `${id}.raw`), request.machine.diskBytes, step);
        },
        async release() {
          await step('release');
          state.isReleased = true;
        },
        [Symbol.asyncDispose]: dispose,
      } satisfies RunningMachine;
    },
    async reap({ id }) {
      if (!running.has(id)) return 'gone already';
      await powerOff(id);
      return `powered off ${id}`;
    },
  });
  return {
    driver,
    running,
    async [Symbol.asyncDispose]() {
      for (const id of running.keys()) await powerOff(id);
    },
  };
}

async function startServer(seed: SeedFiles): Promise<TestSshServer> {
  const userData = parse(seed['user-data']) as {
    users: [{ ssh_authorized_keys: [string] }];
    ssh_keys: { ed25519_private: string };
  };
  const keys = {
    hostPrivateKey: userData.ssh_keys.ed25519_private,
    authorizedKey: userData.users[0].ssh_authorized_keys[0],
  };
  const server = await startSshServer({ keys });
  for (const [name, body] of Object.entries(GUEST_PROGRAMS)) {
    await writeFile(join(server.dir, name), `#!/bin/sh\n${body}\n`);
    await chmod(join(server.dir, name), 0o755);
  }
  return server;
}

async function* consoleLines(): AsyncGenerator<string> {
  yield 'Linux version 6.12';
  yield 'debian login: ';
}

function stopped(path: string, virtualBytes: number, step: (what: string) => Promise<void>): StoppedMachine {
  return {
    async seal() {
      await step('seal');
      await writeFile(path, 'the sealed disk');
      return { kind: 'file', path, format: 'raw', virtualBytes };
    },
    async [Symbol.asyncDispose]() {},
  };
}
