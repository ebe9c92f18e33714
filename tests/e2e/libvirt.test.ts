import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/core/index.ts';
import { ownCacheHome } from '../support/boot-base.ts';
import { type BuildRun, layersOf, runBuild, told } from '../support/build-run.ts';
import { diffTrees, readImage } from '../support/image-tree.ts';
import { type LibvirtRig, noRig, startLibvirtRig } from '../support/libvirt/rig.ts';
import { isLeftOut } from '../support/long.ts';

const NAME = 'debian13';

/**
 * Two builds through SSH serve every assertion here. The first: base, provisioned, exported, the export booted and judged, all on the rig's
 * libvirt. The second has another last step, and so begins at a layer of the first.
 */
describe.skipIf(noRig !== undefined || isLeftOut('a whole build on libvirt'))(
  `a build on libvirt over SSH${noRig === undefined ? '' : `: ${noRig}`}`,
  () => {
    let scratch: string;
    let cacheHome: string;
    let rig: LibvirtRig;
    let first: BuildRun;
    let second: BuildRun;

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'kib-libvirt-'));
      cacheHome = ownCacheHome('libvirt');
      rig = await startLibvirtRig();
      first = await build('one');
      second = await build('two', '--no-verify');
    }, 2_400_000);
    afterAll(async () => {
      await rig?.[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
      if (cacheHome !== undefined) rmSync(cacheHome, { recursive: true, force: true });
    });

    async function build(mark: string, ...more: readonly string[]): Promise<BuildRun> {
      const image = join(scratch, `${mark}.yaml`);
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
  - shell: echo ${mark} > /etc/marker
`,
      );
      const run = await runBuild([image, '--output-dir', join(scratch, mark), ...more], {
        XDG_STATE_HOME: join(scratch, 'state'),
        XDG_CACHE_HOME: cacheHome,
      });
      expect(run.status, told(run)).toBe(0);
      return run;
    }

    const events = (): readonly BuildEvent[] => [...first.events, ...second.events];
    const notesOf = (run: BuildRun) => run.events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));
    const spansOf = (run: BuildRun) => run.events.flatMap((event) => (event.type === 'span.start' ? [event.name] : []));
    const imageOf = (mark: string) => join(scratch, mark, NAME, `${NAME}.qcow2`);

    it('passes every check, before sealing and on the booted file', () => {
      const checks = events().flatMap((event) => (event.type === 'check' ? [event.result] : []));
      expect(checks.length).toBeGreaterThan(15);
      expect(checks.filter((check) => !check.ok)).toEqual([]);
    });

    it('warns once that kvm, which libvirt lists, runs no guests here', ({ skip }) => {
      const warnings = first.events.filter((event) => event.type === 'warning' && event.code === 'KIB_TCG');
      if (warnings.length === 0) skip('kvm works here');
      expect(warnings.length).toBeLessThanOrEqual(2);
    });

    it('installs packages by way of the host, which keeps them', () => {
      expect(notesOf(first)).toContainEqual(expect.stringMatching(/^\d+ of [1-9]\d* files from the package cache, /));
      expect(events().filter((event) => event.type === 'warning' && event.code === 'KIB_SSH_FORWARD')).toEqual([]);
    });

    it('keeps a layer of each part, the disk alone', () => {
      const made = layersOf(first);
      expect(made.length).toBeGreaterThan(2);
      expect(made.every((layer) => layer.endsWith(' ok'))).toBe(true);
      const records = layerRecords();
      const names = records.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['boot', ...made.map((layer) => layer.split(' ')[0])]));
      expect(records.filter(({ memory }) => memory !== undefined)).toEqual([]);
      expect(new Set(records.flatMap(({ files }) => files.map(({ name }) => name)))).toEqual(
        new Set(['disk.qcow2', 'credentials.json']),
      );
    });

    it('boots the last layer that is still right, and makes only what is missing', () => {
      const made = layersOf(second);
      expect(made).toEqual([
        ...layersOf(first)
          .slice(0, -1)
          .map((layer) => layer.replace(/ ok$/, ' cached')),
        'provision ok',
      ]);
      expect(spansOf(second)).toContain('wait for the guest');
      const uploads = (run: BuildRun) => notesOf(run).filter((note) => note.startsWith('uploading the layers to '));
      expect(uploads(first)).toEqual([]);
      expect(uploads(second)).toHaveLength(1);
      // The base was there already.
      expect(notesOf(second).filter((note) => note.startsWith('uploading the base'))).toEqual([]);
      expect(layerRecords().filter(({ name }) => name === 'provision')).toHaveLength(2);
    });

    it('gives each machine an address of its own, also one that begins at a layer of another', () => {
      const leases = JSON.parse(readFileSync(join(rig.dir, 'lib/dnsmasq/virbr0.status'), 'utf8')) as Record<string, string>[];
      // Two builds and a verdict.
      for (const key of ['ip-address', 'mac-address', 'client-id']) {
        expect(new Set(leases.map((lease) => lease[key])).size, key).toBe(3);
      }
    });

    it('makes the image that the first build would have made', async () => {
      const { signal } = new AbortController();
      const marker = (path: string) => path === '/etc/marker';
      const one = await readImage(imageOf('one'), 'qcow2', marker, signal);
      const two = await readImage(imageOf('two'), 'qcow2', marker, signal);
      expect([one.texts.get('/etc/marker'), two.texts.get('/etc/marker')]).toEqual(['one\n', 'two\n']);
      expect(one.tree.size).toBeGreaterThan(5000);
      // Of the second image's machines one more has run containerd, whose database counts its changes.
      const differences = diffTrees(one.tree, two.tree).filter(({ path }) => !path.endsWith('.metadata.v1.bolt/meta.db'));
      expect(differences).toEqual([{ path: '/etc/marker', kind: 'differs', detail: 'content' }]);
    });

    it('keeps what the guest wrote, and nothing of the builds on the hypervisor but the base', () => {
      for (const mark of ['one', 'two']) {
        const output = join(scratch, mark, NAME);
        expect(readdirSync(output).sort()).toEqual([`${NAME}.qcow2`, `${NAME}.qcow2.sha256`, 'manifest.json']);
      }
      expect(rig.named('kib-')).toEqual([expect.stringMatching(/^kib-base-[\da-f]{64}\.qcow2$/)]);
    });

    it('says how long each part took', () => {
      for (const mark of ['one', 'two']) {
        const { phases } = JSON.parse(readFileSync(join(scratch, mark, NAME, 'manifest.json'), 'utf8')) as {
          readonly phases: readonly { readonly name: string; readonly ms: number }[];
        };
        console.log([mark, ...phases.map(({ name, ms }) => `${name}: ${(ms / 1000).toFixed(1)} s`)].join('\n'));
        expect(phases.length).toBeGreaterThan(5);
      }
    });

    interface LayerFile {
      readonly name: string;
      readonly memory?: unknown;
      readonly files: readonly { readonly name: string }[];
    }

    function layerRecords(): readonly LayerFile[] {
      const folder = join(cacheHome, 'kib-native', 'layers');
      const keys = readdirSync(folder).filter((name) => !name.startsWith('.'));
      return keys.map((key) => JSON.parse(readFileSync(join(folder, key, 'layer.json'), 'utf8')) as LayerFile);
    }
  },
);
