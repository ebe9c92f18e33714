import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent, CheckResult } from '../../src/core/index.ts';
import { type LibvirtRig, noRig, startLibvirtRig } from '../support/libvirt/rig.ts';
import { isLeftOut } from '../support/long.ts';
import { startKib } from '../support/program.ts';

const NAME = 'debian13';

/** One build through SSH serves every assertion here: base, provisioned, exported, the export booted and judged, all on the rig's libvirt. */
describe.skipIf(noRig !== undefined || isLeftOut('a whole build on libvirt'))(
  `a build on libvirt over SSH${noRig === undefined ? '' : `: ${noRig}`}`,
  () => {
    let scratch: string;
    let rig: LibvirtRig;
    let events: readonly BuildEvent[];

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'kib-libvirt-'));
      rig = await startLibvirtRig();
      const image = join(scratch, 'node.yaml');
      const { domainType: _, ...options } = rig.options;
      writeFileSync(
        image,
        `image: debian13
base: bootstrap
disk: 6GiB
firmware: uefi
driver: ${JSON.stringify({ name: 'libvirt', ...options })}
without: [node, cni, kubernetes, prepull, providers, network-manager, cloud-init]
recipes:
  containerd: { source: package }
provision:
  - shell: echo one > /etc/marker
`,
      );
      const build = startKib(['build', image, '--output-dir', join(scratch, 'output')], {
        XDG_STATE_HOME: join(scratch, 'state'),
      });
      const { status, stderr } = await build.ended;
      ({ events } = build);
      const log = events.flatMap((event) => (event.type === 'log' ? [event.line] : [])).slice(-40);
      expect(status, `${stderr}\n${log.join('\n')}`).toBe(0);
    }, 1_500_000);
    afterAll(async () => {
      await rig?.[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });

    const checks = (): readonly CheckResult[] => events.flatMap((event) => (event.type === 'check' ? [event.result] : []));

    it('passes every check, before sealing and on the booted file', () => {
      expect(checks().length).toBeGreaterThan(15);
      expect(checks().filter((check) => !check.ok)).toEqual([]);
    });

    it('warns once that kvm, which libvirt lists, runs no guests here', ({ skip }) => {
      const warnings = events.filter((event) => event.type === 'warning' && event.code === 'KIB_TCG');
      if (warnings.length === 0) skip('kvm works here');
      expect(warnings.length).toBeLessThanOrEqual(2);
    });

    it('installs packages by way of the host, which keeps them', () => {
      const notes = events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));
      expect(notes).toContainEqual(expect.stringMatching(/^\d+ of [1-9]\d* files from the package cache, /));
      expect(events.filter((event) => event.type === 'warning' && event.code === 'KIB_SSH_FORWARD')).toEqual([]);
    });

    it('keeps what the guest wrote, and nothing of the build on the hypervisor but the base', () => {
      const output = join(scratch, 'output', NAME);
      expect(readdirSync(output).sort()).toEqual([`${NAME}.qcow2`, `${NAME}.qcow2.sha256`, 'manifest.json']);
      expect(rig.named('kib-')).toEqual([expect.stringMatching(/^kib-base-[\da-f]{64}\.qcow2$/)]);
    });

    it('says how long each part took', () => {
      const { phases } = JSON.parse(readFileSync(join(scratch, 'output', NAME, 'manifest.json'), 'utf8')) as {
        readonly phases: readonly { readonly name: string; readonly ms: number }[];
      };
      console.log(phases.map(({ name, ms }) => `${name}: ${(ms / 1000).toFixed(1)} s`).join('\n'));
      expect(phases.length).toBeGreaterThan(5);
    });
  },
);
