import { connect } from 'node:net';
import { join } from 'node:path';
import { qemu } from '../../drivers/qemu/driver.ts';
import { GiB, type Sh, sh, systemClock } from '../../src/core/index.ts';
import { waitForGuest } from '../../src/engine/boot-wait.ts';
import type { Guest } from '../../src/engine/guest.ts';
import { makeLogin } from '../../src/engine/login.ts';
import { connectQmp, type QmpConnection } from '../../src/io/qmp.ts';
import { SHARED_CACHE } from './boot-base.ts';
import { type TestContext, testContext } from './test-context.ts';

export interface BootedNode extends AsyncDisposable {
  readonly context: TestContext;
  readonly guest: Guest;
  readonly monitor: QmpConnection;
  /** Standard output of a script. */
  look(script: Sh): Promise<string>;
}

/** Boots a finished image as the machine `node`, and logs in. `scratch` gets QEMU's monitor socket. */
export async function bootNode(disk: string, scratch: string): Promise<BootedNode> {
  const context = await testContext({ cache: SHARED_CACHE });
  try {
    const socket = join(scratch, 'qmp');
    const login = makeLogin({ instanceId: 'i-node', hostname: 'node', minimal: false });
    const options = qemu.options.parse({ args: ['-qmp', `unix:${socket},server=on,wait=off`] });
    const machine = context.scope.use(
      'machine',
      await qemu.launch(
        {
          name: 'node',
          machine: { arch: 'amd64', firmware: 'bios', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 8 * GiB, x86Level: 1 },
          base: { path: disk, format: 'qcow2' },
          seed: login.seed,
        },
        options,
        context,
      ),
    );
    const monitor = await connectQmp(socket, { signal: context.signal, clock: systemClock });
    const guest = await waitForGuest(machine, login.credentials, context);
    return {
      context,
      guest,
      monitor,
      look: async (script) => (await guest.run(script, { signal: context.signal, timeoutMs: 120_000 })).stdout.trim(),
      async [Symbol.asyncDispose]() {
        await monitor[Symbol.asyncDispose]();
        await guest[Symbol.asyncDispose]();
        await context[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await context[Symbol.asyncDispose]();
    throw error;
  }
}

const LISTENER = `import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    client.sendall(b"here")
    client.close()
`;

/** Has the guest say `here` to whoever connects to one of the ports. */
export function listenOn(ports: readonly number[]): Sh {
  return sh`
    for port in ${ports}; do
      systemd-run --quiet --unit "listen-$port" python3 -c ${LISTENER} "$port"
    done
    for port in ${ports}; do
      until ss --tcp --listening --numeric | grep -q ":$port "; do sleep 0.2; done
    done
  `;
}

/** What a server in the guest says to a connection from outside; empty when nothing comes. QEMU forwards a port for as long as this takes. */
export async function knock({ monitor }: BootedNode, port: number): Promise<string> {
  const signal = AbortSignal.timeout(30_000);
  const hmp = (line: string) => monitor.execute('human-monitor-command', { 'command-line': line }, { signal });
  const local = 20_000 + Math.floor(Math.random() * 20_000);
  const forward = `tcp:127.0.0.1:${local}`;
  await hmp(`hostfwd_add ${forward}-:${port}`);
  try {
    return await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(local, '127.0.0.1');
      const end = () => {
        socket.destroy();
        resolve(text);
      };
      socket.setTimeout(8000, end);
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('error', end);
      socket.on('close', end);
    });
  } finally {
    await hmp(`hostfwd_remove ${forward}`);
  }
}

/** The action of QEMU's next WATCHDOG event, or `nothing`. */
export function nextWatchdog({ monitor }: BootedNode, ms: number): Promise<unknown> {
  return new Promise((resolve) => {
    const done = (action: unknown) => {
      clearTimeout(timer);
      unsubscribe();
      resolve(action);
    };
    const timer = setTimeout(() => done('nothing'), ms);
    const unsubscribe = monitor.subscribe(({ event, data }) => {
      if (event === 'WATCHDOG') done(data['action']);
    });
  });
}
