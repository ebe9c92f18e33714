import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  type Context,
  type DiskPlace,
  type Driver,
  defineDriver,
  type Freezer,
  KibError,
  type LaunchRequest,
  type RunningMachine,
  type SeedFiles,
  type StoppedMachine,
  throwIfAborted,
} from '../../src/core/index.ts';
import { startSshServer, type TestSshServer } from './ssh-server.ts';

/** Programs of the guest that must not be this host's; the guest's scripts find them first. */
const GUEST_PROGRAMS = {
  'cloud-init': `echo '{"status": "done", "errors": []}'`,
  systemctl: 'exit 0',
  // A guest that is continued gets its clock set; this host must keep its own. Says beside itself what it was asked.
  date: String.raw`printf '%s\n' "$*" >"$0.asked"`,
  // Its kernel gets a new key for its random numbers.
  perl: String.raw`printf '%s\n' "$*" >"$0.asked"`,
  'dpkg-query': String.raw`printf 'zlib1g\t1:1.3\tamd64\nbase-files\t13.1\tamd64\n'`,
};

/** Runs the engine's scripts with the guest's programs first, although they set a PATH of their own. */
const SUDO = String.raw`#!/bin/sh
[ "$1" = -n ] && shift
[ "$*" = '/bin/sh -s' ] || exec "$@"
sed "s|^\( *\)export PATH=|\1export PATH=$(dirname "$0"):|" | /bin/sh -s
`;

export interface FakeDriver extends AsyncDisposable {
  readonly driver: Driver;
  /** The machines that are powered on, by their id. */
  readonly running: ReadonlyMap<string, TestSshServer>;
}

export interface FakeDriverOptions {
  /** What its memory depends on; `undefined` makes it keep no memory. Default: `fake 1`. */
  readonly fingerprint?: () => string | undefined;
}

/** What a fake machine's disk holds, so that a test can follow the chain: JSON in `disk.qcow2`. */
export interface FakeDisk {
  readonly backing: string;
  /** Commands that ran since the disk was made. */
  readonly commands: readonly string[];
}

type Step = (what: string) => Promise<void>;

/**
 * A driver whose machines are SSH servers in this process that run scripts on this host, so give them harmless ones. `onStep` is called
 * wherever a real driver would wait, and may return a promise to wait for. Machines are powered off by disposing, by `reap`, or with the fake itself.
 */
export function fakeDriver(onStep: (what: string) => unknown = () => {}, options: FakeDriverOptions = {}): FakeDriver {
  const running = new Map<string, TestSshServer>();
  const fingerprint = options.fingerprint ?? (() => 'fake 1');
  const step: Step = async (what) => {
    await onStep(what);
  };
  const powerOff = async (id: string) => {
    const server = running.get(id);
    running.delete(id);
    await server?.[Symbol.asyncDispose]();
  };
  let count = 0;
  const start = async (
    { seed, disk, machine }: Pick<LaunchRequest, 'seed' | 'disk' | 'machine'>,
    context: Context,
  ): Promise<RunningMachine> => {
    const id = `fake-${++count}`;
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
    const server = await startServer(seed);
    running.set(id, server);
    const freezer = disk === undefined ? undefined : new FakeFreezer(disk, { server, seed, fingerprint, step });
    await freezer?.begin();
    await step('started');
    return {
      id,
      slowness: 1,
      exited: new Promise<never>(() => {}),
      console: { path: '', lines: consoleLines, tail: async () => [] },
      ...(freezer === undefined ? {} : { freezer }),
      async endpoint() {
        await step('endpoint');
        const endpoint = running.get(id)?.endpoint;
        if (endpoint === undefined) throw new Error(`${id} is off`);
        return endpoint;
      },
      async shutdown() {
        await step('shutdown');
        await powerOff(id);
        return stopped(freezer?.path ?? join(context.dirs.work, `${id}.raw`), machine.diskBytes, step);
      },
      async release() {
        await step('release');
        state.isReleased = true;
      },
      [Symbol.asyncDispose]: dispose,
    };
  };
  const driver = defineDriver({
    name: 'fake',
    summary: 'machines in this process',
    options: z.unknown(),
    capabilities: { arch: ['amd64'], firmware: ['bios', 'uefi'], formats: ['raw'], console: true, screenshot: false },
    doctor: async () => [],
    preview: () => [],
    async launch(request, _options, context) {
      await step('launch');
      return start(request, context);
    },
    layers: {
      memory: {
        fingerprint: async () => {
          await step('fingerprint');
          return fingerprint() ?? 'keeps no memory';
        },
        async resume({ frozen, disk, machine }, _options, context) {
          await step('resume');
          const memory = await readFile(join(frozen, 'memory'), 'utf8').catch(() => '');
          if (memory !== `memory under ${fingerprint()}`) {
            throw new KibError('KIB_RESUME', `the memory of ${frozen} cannot be loaded: ${memory || 'it is not there'}`);
          }
          const seed = JSON.parse(await readFile(join(frozen, 'seed.json'), 'utf8')) as SeedFiles;
          return start({ seed, disk, machine }, context);
        },
      },
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

interface FakeGuest {
  readonly server: TestSshServer;
  readonly seed: SeedFiles;
  readonly fingerprint: () => string | undefined;
  readonly step: Step;
}

class FakeFreezer implements Freezer {
  readonly #guest: FakeGuest;
  #disk: DiskPlace;
  #commandsBefore = 0;

  constructor(disk: DiskPlace, guest: FakeGuest) {
    this.#disk = disk;
    this.#guest = guest;
  }

  /** Where the machine writes now. */
  get path(): string {
    return join(this.#disk.folder, 'disk.qcow2');
  }

  async begin(): Promise<void> {
    await this.#write('disk.qcow2', { backing: this.#disk.backing, commands: [] } satisfies FakeDisk);
  }

  async freeze({ next, memory, signal }: Parameters<Freezer['freeze']>[0]): ReturnType<Freezer['freeze']> {
    const { server, seed, fingerprint, step } = this.#guest;
    await step('freeze');
    throwIfAborted(signal);
    const commands = server.commands.slice(this.#commandsBefore);
    await this.#write('disk.qcow2', { backing: this.#disk.backing, commands } satisfies FakeDisk);
    const print = memory ? fingerprint() : undefined;
    if (print !== undefined) {
      await this.#write('seed.json', seed);
      await this.#write('memory', `memory under ${print}`);
    }
    this.#disk = next;
    this.#commandsBefore = server.commands.length;
    await this.begin();
    await step('frozen');
    return {
      files: ['disk.qcow2', ...(print === undefined ? [] : ['memory', 'seed.json'])],
      fingerprint: print,
      pausedMs: 5,
    };
  }

  async #write(name: string, content: object | string): Promise<void> {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    await writeFile(join(this.#disk.folder, name), text, { mode: 0o600 });
  }
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
  const server = await startSshServer({ keys, sudo: SUDO });
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
