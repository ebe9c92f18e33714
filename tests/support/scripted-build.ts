import { type Clock, KibError, MiB } from '../../src/core/index.ts';
import { EventStream } from '../../src/engine/events.ts';
import type { ReportedBuild } from '../../src/ui/index.ts';

export const BUILD_ID = '20260101-000000-debian13-4f2a';

export interface ScriptedBuild {
  readonly events: EventStream;
  /** Plays the build to its end, taking its time on the clock. */
  play(): Promise<void>;
}

/** A build that only exists as events: a download, a boot, two layers, parallel exports, checks; `failing` breaks the second layer. */
export function scriptedBuild(
  clock: Clock,
  options: { readonly failing?: boolean; readonly id?: string; readonly name?: string } = {},
): ScriptedBuild {
  const { failing = false, id = BUILD_ID, name = 'debian13' } = options;
  const events = new EventStream(id, clock);
  return { events, play: () => play(events, clock, failing, name) };
}

async function play(events: EventStream, clock: Clock, isFailing: boolean, name: string): Promise<void> {
  const { root } = events;
  const started = clock.now();
  root.emit({ type: 'span.start', kind: 'build', name });
  root.emit({ type: 'plan', layers: ['boot', 'packages', 'kubernetes'], actions: 5, checks: 2 });
  await root.run('fetch', 'download debian-13.qcow2', async (span) => {
    for (let part = 1; part <= 12; part++) {
      await clock.sleep(1000);
      span.progress(part * 32 * MiB, 384 * MiB, 'bytes');
    }
  });
  await root.run('boot', 'start qemu', async (span) => {
    span.warn(
      'KIB_ACCELERATOR',
      '/dev/kvm cannot run a guest here; emulating the CPU',
      'everything takes about eight times as long',
    );
    await clock.sleep(300);
  });
  await root.run('boot', 'wait for the guest', async (span) => {
    for (const phase of ['firmware', 'kernel', 'systemd', 'sshd']) {
      span.note(phase);
      span.log('console', `\u001b[32m[  OK  ]\u001b[0m Reached ${phase}.\u001b[K`);
      await clock.sleep(4000);
    }
  });
  const outcome = isFailing ? await failedLayer(events, clock) : await goodEnd(events, clock);
  await root.run('cleanup', 'clean up', async () => {
    await clock.sleep(500);
    root.emit({ type: 'resource', action: 'released', kind: 'scope', id: 'machine qemu pid 4242' });
    root.emit({ type: 'resource', action: 'released', kind: 'scope', id: 'folder /cache/work/1' });
  });
  root.emit({
    type: 'span.end',
    status: outcome === undefined ? 'ok' : 'failed',
    ms: clock.now() - started,
    ...(outcome === undefined ? {} : { error: { code: outcome.code, message: outcome.message } }),
  });
  events.close();
}

async function goodEnd({ root }: EventStream, clock: Clock): Promise<undefined> {
  await root.run('layer', 'packages', (layer) =>
    layer.run('action', 'install 12 packages', async (span) => {
      for (const name of ['conntrack', 'socat', 'ethtool', 'chrony']) {
        span.log('guest', `Setting up ${name} …`);
        await clock.sleep(5000);
      }
    }),
  );
  await root.run('layer', 'kubernetes', async (layer) => {
    await layer.run('action', 'install kubelet', () => clock.sleep(12_000));
    await layer.run('action', 'enable kubelet.service', () => clock.sleep(1500));
  });
  await root.run('check', 'check the guest', async (span) => {
    await clock.sleep(800);
    span.emit({
      type: 'check',
      result: { name: 'k/version', title: 'kubelet has the version', ok: true, detail: 'v1.36.1', ms: 800 },
    });
  });
  await root.run('seal', 'seal and power off', (seal) => seal.run('action', 'remove the login', () => clock.sleep(2000)));
  await Promise.all(
    (['qcow2', 'ova'] as const).map((format, index) =>
      root.run('export', format, async (span) => {
        for (let percent = 25; percent <= 100; percent += 25) {
          await clock.sleep(1000 * (1 + 2 * index));
          span.progress(percent, 100, 'percent');
        }
        const path = `/out/.name.part/debian13-kube-v1.36.1.${format}`;
        const disk = { format: 'qcow2', offset: 0, bytes: 400 * MiB } as const;
        span.emit({ type: 'artifact', artifact: { format, path, bytes: 400 * MiB, sha256: 'ab'.repeat(32), disk } });
      }),
    ),
  );
  await root.run('verify', 'check the booted image', async (span) => {
    span.mark('skipped');
    await clock.sleep(10);
  });
}

async function failedLayer({ root }: EventStream, clock: Clock): Promise<KibError> {
  const error = new KibError('KIB_ACTION_FAILED', 'kubernetes/1 (install kubelet) exited with 100\nE: no such package');
  try {
    await root.run('layer', 'kubernetes', (layer) =>
      layer.run('action', 'install kubelet', async (span) => {
        span.log('guest', 'Reading package lists...\r\u001b[31mE:\u001b[0m no such package\u0007');
        await clock.sleep(2500);
        throw error;
      }),
    );
  } catch (problem) {
    if (problem !== error) throw problem;
  }
  return error;
}

/** A finished build for the report, with one failed check. */
export const REPORTED: ReportedBuild = {
  id: BUILD_ID,
  name: 'debian13-kube-v1.36.1',
  outputDir: 'output/debian13-kube-v1.36.1',
  images: [],
  artifacts: (['qcow2', 'ova'] as const).map((format, index) => ({
    format,
    path: `output/debian13-kube-v1.36.1/debian13-kube-v1.36.1.${format}`,
    bytes: (400 + 20 * index) * MiB + 512 * 1024,
    sha256: `${index}f`.repeat(32),
    disk: { format: format === 'ova' ? ('vmdk' as const) : ('qcow2' as const), offset: 0, bytes: 400 * MiB },
  })),
  checks: [
    { name: 'containerd/running', title: 'containerd is running', ok: true, detail: 'active', ms: 120 },
    {
      name: 'kubernetes/version',
      title: 'kubelet has the version asked for',
      ok: false,
      detail: 'wanted Kubernetes v1.36.1\ngot \u001b[31mKubernetes v1.35.0\u001b[0m',
      ms: 300,
    },
    { name: 'seal/machine-id', title: 'no machine-id was shipped', ok: true, detail: '', ms: 2 },
  ],
  isVerified: true,
  isUnchanged: false,
  phases: [
    { kind: 'fetch', name: 'download debian-13.qcow2', ms: 12_000, status: 'ok' },
    { kind: 'boot', name: 'wait for the guest', ms: 16_000, status: 'ok' },
    { kind: 'layer', name: 'kubernetes', ms: 185_000, status: 'ok' },
    { kind: 'verify', name: 'check the booted image', ms: 10, status: 'skipped' },
  ],
  logs: '/home/me/.local/state/kib-native/builds/20260101-000000-debian13-4f2a',
  ms: 213_400,
};
