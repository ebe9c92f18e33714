import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTROLS } from '../../recipes/hardening/index.ts';
import { sh } from '../../src/core/index.ts';
import { ownCacheHome } from '../support/boot-base.ts';
import { type BootedNode, bootNode, knock, listenOn, nextWatchdog } from '../support/booted-node.ts';
import { judgeChecks } from '../support/hardening/judge.ts';
import { ensureKubernetesRelease, hasGo } from '../support/kubernetes/build.mjs';
import { isLeftOut } from '../support/long.ts';
import { ociArchive, tinyImage } from '../support/oci.ts';
import { osOf } from '../support/plan.ts';
import { type Built, buildRecipes, expectAsCold, recipesOf } from '../support/recipe-build.ts';

const canCompile = hasGo();
if (!canCompile) console.warn('SKIPPED: the test of all recipes needs a Go toolchain to compile kubeadm, kubelet and kubectl');
/** A guest that shares its CPUs with others is not run for seconds at times; less would take that for a hang. */
const WATCHDOG_SECONDS = 60;
/** Controls that an image must ask for. */
const OFF = CONTROLS.filter(({ off }) => off !== undefined).map(({ id }) => id);

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

    const build = (output: string, banner: string): Promise<Built> =>
      buildRecipes(
        scratch,
        output,
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
  hardening: { level: 2, add: [${OFF.join(', ')}], banner: ${JSON.stringify(banner)} }
`,
        { XDG_CACHE_HOME: cache },
      );

    let cold: Built;
    it('are green when built cold, before sealing and on the booted file', async () => {
      cold = await build('cold', 'One.');
      expect(cold.spans).toContain('wait for the guest');
      expect(recipesOf(cold)).toEqual(
        expect.arrayContaining([
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
        ]),
      );
      expect(cold.checks.filter(({ ok }) => !ok)).toEqual([]);
    }, 1_800_000);

    it('are green when the last of them is built again on the layers of the others', async () => {
      const again = await build('again', 'Two.');
      expect(again.spans).toContain('continue from layer first-boot');
      expectAsCold(again, cold);
    }, 1_200_000);

    describe('do what they say in a machine that booted', () => {
      let node: BootedNode;
      beforeAll(async () => {
        node = await bootNode(cold.disk, scratch);
      }, 900_000);
      afterAll(() => node?.[Symbol.asyncDispose]());

      it('firewall: an open port answers and a closed one does not, although both are listened on', async () => {
        await node.look(listenOn([8080, 9]));
        expect(await knock(node, 8080)).toBe('here');
        expect(await knock(node, 9)).toBe('');
        // It is the firewall: without its table the port answers.
        await node.look(sh`nft delete table inet kib-firewall`);
        expect(await knock(node, 9)).toBe('here');
        await node.look(sh`systemctl reload kib-firewall.service`);
        expect(await knock(node, 9)).toBe('');
      }, 180_000);

      it('audit: a change to the configuration of containerd is written down', async () => {
        const records = await node.look(sh`
        touch /etc/containerd/changed
        sleep 2
        ausearch --input-logs --key containerd --start recent --raw | grep -c changed || :
      `);
        expect(Number(records)).toBeGreaterThan(0);
      });

      it('first-boot: ran once with the host name of the machine, and is gone', async () => {
        const seen = await node.look(sh`
        for second in $(seq 120); do [ -e /usr/libexec/kib-first-boot ] || break; sleep 1; done
        cat /var/lib/greeted
        systemctl is-enabled kib-first-boot.service 2>/dev/null || :
      `);
        expect(seen.split('\n')[0]).toBe('node');
        expect(seen).not.toContain('enabled');
      }, 180_000);

      it('hardening: each check names what is undone of its control, and nothing once it is put back', async () => {
        const verdicts = await judgeChecks(node.guest, CONTROLS, { os: osOf('debian13'), banner: 'One.\n' }, node.context.signal);
        expect(verdicts).toEqual(CONTROLS.map(({ id }) => ({ id, unnamed: [], otherwise: '' })));
      }, 1_200_000);

      it('watchdog: a machine that hangs is reset by its hardware', async () => {
        const reset = nextWatchdog(node, (WATCHDOG_SECONDS * 2 + 60) * 1000);
        await node.look(sh`echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze`);
        expect(await reset).toBe('reset');
      }, 300_000);
    });
  },
);
