import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/core/index.ts';
import { ownCacheHome } from '../support/boot-base.ts';
import { filesBelow, portsOf, processesWith, stillListening } from '../support/leftovers.ts';
import { kib, startKib } from '../support/program.ts';

const started = (kind: string, name: RegExp) => (event: BuildEvent) =>
  event.type === 'span.start' && event.kind === kind && name.test(event.name);

/** Five moments of a build, in the order they come. */
const MOMENTS: readonly (readonly [string, (event: BuildEvent) => boolean])[] = [
  ['while the machine starts', started('boot', /start/)],
  ['while the guest boots', (event) => event.type === 'span.note' && /kernel|systemd|userspace/i.test(event.text)],
  ['while an action runs', started('action', /wait here/)],
  ['while the disk is exported', (event) => started('export', /qcow2/)(event)],
  ['while the finished image boots', started('verify', /boot the finished/)],
];

describe('a build that is stopped', () => {
  let scratch: string;
  let image: string;
  let cacheHome: string;
  const env = () => ({ XDG_STATE_HOME: join(scratch, 'state'), XDG_CACHE_HOME: cacheHome });
  const workDir = () => join(cacheHome, 'kib-native', 'work');

  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'kib-interrupt-'));
    image = join(scratch, 'bare.yaml');
    // Layers of an earlier run would take the moments away that this waits for.
    cacheHome = ownCacheHome('interrupt');
    writeFileSync(
      image,
      `image: debian13
base: bootstrap
# The other builds of these tests have their login as credentials.
driver: { name: qemu, login: nocloud }
without: [setup, node, providers, containerd, cni, kubernetes, guest-agent, network-manager, selinux, cloud-init]
provision:
  - shell: sleep 5
    name: wait here
`,
    );
  });
  afterAll(() => {
    for (const folder of [scratch, cacheHome]) rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => rmSync(join(scratch, 'state'), { recursive: true, force: true }));

  const start = () => startKib(['build', image, '--output-dir', join(scratch, 'output')], env());

  function expectNothingLeft(build: string, ports: readonly number[]): void {
    expect(processesWith(build)).toEqual([]);
    expect(filesBelow(workDir()).filter((file) => file.includes(build))).toEqual([]);
    expect(filesBelow(join(scratch, 'output')).filter((file) => file.includes('part') || file.endsWith('.qcow2'))).toEqual([]);
    expect(stillListening(ports)).toEqual([]);
    expect(readdirSync(tmpdir()).filter((name) => name.includes(build))).toEqual([]);
  }

  for (const [index, [moment, event]] of MOMENTS.entries()) {
    // Both ways of dying at alternating moments keep the suite short; the first two are cheap enough for both.
    const signals = index < 2 ? (['SIGINT', 'SIGKILL'] as const) : [index % 2 === 0 ? ('SIGKILL' as const) : ('SIGINT' as const)];
    for (const signal of signals) {
      it(`${moment}, by ${signal}, leaves nothing${signal === 'SIGKILL' ? ' once gc has run' : ''}`, async () => {
        const run = start();
        const seen = await run.waitFor(event);
        const ports = portsOf(`kib-${seen.build}`);
        run.child.kill(signal);
        const { status, stderr } = await run.ended;
        if (signal === 'SIGKILL') {
          const gc = kib(['gc', '--json'], env());
          expect(gc.status, gc.stderr).toBe(0);
        } else {
          expect(status, stderr).toBe(130);
        }
        expectNothingLeft(seen.build, ports);
        expect(kib(['gc'], env()).status).toBe(0);
      });
    }
  }
});
