import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { qemu } from '../../drivers/qemu/driver.ts';
import { type BuildEvent, type CheckResult, GiB, type RunningMachine, sh, systemClock } from '../../src/core/index.ts';
import { waitForGuest } from '../../src/engine/boot-wait.ts';
import type { Guest } from '../../src/engine/guest.ts';
import { makeLogin } from '../../src/engine/login.ts';
import { connectQmp, type QmpConnection } from '../../src/io/qmp.ts';
import { ownCacheHome, SHARED_CACHE } from '../support/boot-base.ts';
import { ensureKubernetesRelease, hasGo } from '../support/kubernetes/build.mjs';
import { isLeftOut } from '../support/long.ts';
import { ociArchive, tinyImage } from '../support/oci.ts';
import { startKib } from '../support/program.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const canCompile = hasGo();
if (!canCompile) console.warn('SKIPPED: the test of all recipes needs a Go toolchain to compile kubeadm, kubelet and kubectl');
const WATCHDOG_SECONDS = 20;

interface Built {
  readonly checks: readonly CheckResult[];
  readonly spans: readonly string[];
  readonly disk: string;
}

/** Every recipe that Debian can have at once, in one guest: built cold, built again from its layers, and booted to see what it does. */
describe.skipIf(!canCompile || isLeftOut('all recipes of Debian, cold, from layers and booted'))(
  'all recipes on Debian 13',
  () => {
    let scratch: string;
    let cache: string;
    let kubernetes: { readonly version: string; readonly dir: string };

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'kib-recipes-'));
      cache = ownCacheHome('recipes');
      kubernetes = await ensureKubernetesRelease({ onLine: (line: string) => console.error(line) });
      writeFileSync(join(scratch, 'tool.tar'), await ociArchive(await tinyImage('tool'), 'docker.io/library/tool:1'));
      writeFileSync(join(scratch, 'tool.conf'), 'answer = 42\n');
    }, 900_000);
    afterAll(() => {
      for (const folder of [scratch, cache]) rmSync(folder, { recursive: true, force: true });
    });

    async function build(output: string, banner: string): Promise<Built> {
      const image = join(scratch, `${output}.yaml`);
      writeFileSync(
        image,
        `image: debian13
base: bootstrap
firmware: bios
disk: 8GiB
without: [prepull]
kubernetes: { version: ${kubernetes.version}, source: dir, dir: ${kubernetes.dir} }
recipes:
  setup: { packages: [tree] }
  node: { kernelArgs: [kib.test=1] }
  providers: { targets: [qemu, kubevirt, vmware] }
  containerd: { source: package }
  cni: { source: package }
  watchdog: { seconds: ${WATCHDOG_SECONDS} }
  firewall: { backend: nftables, ports: [8080/tcp] }
  audit: {}
  components:
    archives: [{ from: tool.tar, images: ['tool:1'] }]
    files: [{ from: tool.conf, to: /etc/tool/tool.conf, mode: '0640' }]
  first-boot: { verifySeconds: 240, scripts: [{ name: greet, shell: 'uname -n >>/var/lib/greeted' }] }
  hardening: { level: 2, banner: ${JSON.stringify(banner)} }
`,
      );
      const run = startKib(['build', image, '--output-dir', join(scratch, output)], {
        XDG_CACHE_HOME: cache,
        XDG_STATE_HOME: join(scratch, 'state'),
      });
      const { status, stderr } = await run.ended;
      const of = <T extends BuildEvent['type']>(type: T) =>
        run.events.filter((event): event is BuildEvent & { readonly type: T } => event.type === type);
      const checks = of('check').map(({ result }) => result);
      const log = of('log').slice(-30);
      const failed = checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
      expect(status, [stderr, ...failed, ...log.map(({ line }) => line)].join('\n')).toBe(0);
      const name = `debian13-kube-${kubernetes.version}`;
      return { checks, spans: of('span.start').map((event) => event.name), disk: join(scratch, output, name, `${name}.qcow2`) };
    }

    let cold: Built;
    it('are green when built cold, before sealing and on the booted file', async () => {
      cold = await build('cold', 'One.');
      expect(cold.spans).toContain('wait for the guest');
      const recipes = new Set(cold.checks.map(({ name }) => name.split('/')[0]));
      for (const recipe of [
        'setup',
        'node',
        'containerd',
        'cni',
        'kubernetes',
        'watchdog',
        'firewall',
        'audit',
        'components',
        'first-boot',
        'hardening',
      ])
        expect(recipes, `checks of ${recipe}`).toContain(recipe);
      expect(cold.checks.filter(({ ok }) => !ok)).toEqual([]);
    }, 1_800_000);

    it('are green when the last of them is built again on the layers of the others', async () => {
      const again = await build('again', 'Two.');
      expect(again.spans).toContain('continue from layer first-boot');
      expect(again.checks.map(({ name }) => name)).toEqual(cold.checks.map(({ name }) => name));
      expect(again.checks.filter(({ ok }) => !ok)).toEqual([]);
    }, 1_200_000);

    describe('do what they say in a machine that booted', () => {
      let context: TestContext;
      let machine: RunningMachine;
      let guest: Guest;
      let monitor: QmpConnection;

      beforeAll(async () => {
        context = await testContext({ cache: SHARED_CACHE });
        const socket = join(scratch, 'qmp');
        const login = makeLogin({ instanceId: 'i-node', hostname: 'node', minimal: false });
        const options = qemu.options.parse({ args: ['-qmp', `unix:${socket},server=on,wait=off`] });
        machine = context.scope.use(
          'machine',
          await qemu.launch(
            {
              name: 'node',
              machine: { arch: 'amd64', firmware: 'bios', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 8 * GiB, x86Level: 1 },
              base: { path: cold.disk, format: 'qcow2' },
              seed: login.seed,
            },
            options,
            context,
          ),
        );
        monitor = await connectQmp(socket, { signal: context.signal, clock: systemClock });
        guest = await waitForGuest(machine, login.credentials, context);
      }, 900_000);
      afterAll(async () => {
        await monitor?.[Symbol.asyncDispose]();
        await guest?.[Symbol.asyncDispose]();
        await context?.[Symbol.asyncDispose]();
      });

      const look = async (script: ReturnType<typeof sh>): Promise<string> =>
        (await guest.run(script, { signal: context.signal, timeoutMs: 120_000 })).stdout.trim();

      it('firewall: an open port answers and a closed one does not, although both are listened on', async () => {
        await look(sh`
        for port in 8080 9; do
          systemd-run --quiet --unit "listen-$port" python3 -c ${LISTENER} "$port"
        done
        for port in 8080 9; do
          until ss --tcp --listening --numeric | grep -q ":$port "; do sleep 0.2; done
        done
      `);
        expect(await answer(monitor, 8080)).toBe('here');
        expect(await answer(monitor, 9)).toBe('');
        // It is the firewall: without its table the port answers.
        await look(sh`nft delete table inet kib-firewall`);
        expect(await answer(monitor, 9)).toBe('here');
        await look(sh`systemctl reload kib-firewall.service`);
        expect(await answer(monitor, 9)).toBe('');
      }, 180_000);

      it('audit: a change to the configuration of containerd is written down', async () => {
        const records = await look(sh`
        touch /etc/containerd/changed
        sleep 2
        ausearch --input-logs --key containerd --start recent --raw | grep -c changed || :
      `);
        expect(Number(records)).toBeGreaterThan(0);
      });

      it('first-boot: ran once with the host name of the machine, and is gone', async () => {
        const seen = await look(sh`
        for second in $(seq 120); do [ -e /usr/libexec/kib-first-boot ] || break; sleep 1; done
        cat /var/lib/greeted
        systemctl is-enabled kib-first-boot.service 2>/dev/null || :
      `);
        expect(seen.split('\n')[0]).toBe('node');
        expect(seen).not.toContain('enabled');
      }, 180_000);

      it('watchdog: a machine that hangs is reset by its hardware', async () => {
        const reset = nextWatchdog(monitor, (WATCHDOG_SECONDS * 2 + 60) * 1000);
        await guest.run(sh`echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze`, { signal: context.signal });
        expect(await reset).toBe('reset');
      }, 240_000);
    });
  },
);

const LISTENER = `import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    client.sendall(b"here")
    client.close()
`;

/** What a server in the guest says to a connection from outside; empty when nothing comes. QEMU forwards a port for as long as this takes. */
async function answer(monitor: QmpConnection, port: number): Promise<string> {
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

/** The action of QEMU's next WATCHDOG event. */
function nextWatchdog(monitor: QmpConnection, ms: number): Promise<unknown> {
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
