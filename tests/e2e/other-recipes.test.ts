import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh } from '../../src/core/index.ts';
import { ownCacheHome } from '../support/boot-base.ts';
import { type BootedNode, bootNode, knock, listenOn, nextWatchdog } from '../support/booted-node.ts';
import { type DebianSite, serveDebianSite } from '../support/debian-site.ts';
import { NVIDIA_LOG } from '../support/gpu-packages.ts';
import { isLeftOut } from '../support/long.ts';
import { programImage, serveRegistry } from '../support/oci.ts';
import { makeSigner, type Signer } from '../support/openpgp.ts';
import { runPod } from '../support/pods.ts';
import { type Built, buildRecipes, expectAsCold, printTimes, recipesOf } from '../support/recipe-build.ts';
import { NEEDED, otherRecipes, WATCHDOG_SECONDS } from '../support/recipes/other.ts';
import { canCompileReleases } from '../support/releases/go.ts';
import { staticProgram } from '../support/static-program.ts';

const PATHS = ['', ...(process.env['PATH'] ?? '').split(':')];
const missing = [
  ...NEEDED.filter((name) => !PATHS.some((folder) => existsSync(join(folder, name)))),
  ...(canCompileReleases() ? [] : ['a Go toolchain to compile CRI-O']),
];
if (missing.length > 0) console.warn(`SKIPPED: the test of the recipes’ other choices needs ${missing.join(', ')}`);

/**
 * What recipes.test.ts does not choose, in one guest: another runtime, firewall and watchdog, packages from a mirror and through a proxy, the kernel
 * of backports after a full upgrade, a pinned and held package, and what lies on servers of GPU vendors and clouds. Those are not
 * reached: packages of the same names stand in, fetched, verified, built and started by the same actions.
 */
describe.skipIf(missing.length > 0 || isLeftOut('the other choices of recipes on Debian, cold, from layers and booted'))(
  'the other choices of recipes on Debian 13',
  () => {
    let scratch: string;
    let cache: string;
    let site: DebianSite;
    let signer: Signer;
    let registry: Awaited<ReturnType<typeof serveRegistry>>;
    let recipes: string;

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'kib-others-'));
      cache = ownCacheHome('others');
      const served = await serveDebianSite();
      if (served === undefined) throw new Error('apt of this host does not install from Debian by http');
      site = served;
      signer = await makeSigner();
      const program = await staticProgram();
      const images = ['hub/org/tool:1', 'hub/org/late:1', 'k8s/pause:3.10.2'];
      const entries = images.map(async (name) => [name, await programImage(name, program)] as const);
      registry = await serveRegistry(Object.fromEntries(await Promise.all(entries)), { port: 18_766 });
      recipes = await otherRecipes({ scratch, site, signer, registry: registry.port });
    }, 1_800_000);
    afterAll(async () => {
      await site?.[Symbol.asyncDispose]();
      await signer?.[Symbol.asyncDispose]();
      await registry?.close();
      for (const folder of [scratch, cache]) rmSync(folder, { recursive: true, force: true });
    });

    const build = (output: string, text: string): Promise<Built> =>
      buildRecipes(
        scratch,
        output,
        `image: debian13
name: others
base: bootstrap
firmware: bios
disk: 8GiB
without: [kubernetes]
recipes: ${recipes}
provision:
  - shell: |
      uname -r >/etc/kib-built-on
      echo ${text} >/etc/kib-marker
`,
        { XDG_CACHE_HOME: cache, http_proxy: site.proxy, no_proxy: '' },
      );

    let cold: Built;
    it('are green when built cold, before sealing and on the booted file', async () => {
      cold = await build('cold', 'one');
      expect(cold.spans).toContain('wait for the guest');
      expect(recipesOf(cold)).toEqual(
        expect.arrayContaining(['setup', 'node', 'providers', 'crio', 'cni', 'watchdog', 'firewall', 'gpu', 'components']),
      );
      expect(cold.checks.filter(({ ok }) => !ok)).toEqual([]);
      // The mirror is the site, asked by name or as a proxy; what is at http://localhost only the guest's own proxy has.
      const asked = site.log.map((line) => line.replace(site.url, ''));
      for (const wanted of [
        /^GET \/debian\/dists\/trixie\/InRelease$/,
        /^GET \/debian-security\/dists\/trixie-security\//,
        /^GET http:\/\/localhost\/ours\/.*kib-sample_1\.0-1_all\.deb$/,
      ])
        expect(asked).toContainEqual(expect.stringMatching(wanted));
    }, 2_400_000);

    it('are green when a step of the user’s is made again on the layers of the recipes', async () => {
      const again = await build('again', 'two');
      printTimes('the other choices of recipes', cold, again);
      expect(again.spans.filter((name) => name.startsWith('continue from layer'))).toHaveLength(1);
      expectAsCold(again, cold);
    }, 1_200_000);

    describe('do what they say in a machine that booted', () => {
      let node: BootedNode;
      beforeAll(async () => {
        node = await bootNode(cold.disk, scratch);
      }, 900_000);
      afterAll(() => node?.[Symbol.asyncDispose]());

      it('setup: the upgraded kernel runs, as it did when the rest was built', async () => {
        const kernel = await node.look(sh`uname -r`);
        expect(kernel).toMatch(/^([7-9]|\d\d)\.\d+\.\d+\+deb13-cloud-amd64$/);
        expect(await node.look(sh`cat /etc/kib-built-on`)).toBe(kernel);
      });

      it('setup: a pinned package is the version that was asked for, and an upgrade leaves it there', async () => {
        const seen = await node.look(sh`
          mkdir -p /run/apt/lists/partial
          echo ${`deb [trusted=yes] ${site.url}/ours /`} >/run/apt/ours.list
          only="-o Dir::Etc::SourceList=/run/apt/ours.list -o Dir::Etc::SourceParts=- -o Dir::State::Lists=/run/apt/lists"
          apt-get $only --quiet update >/dev/null
          apt-cache $only policy kib-sample | sed -n 's/^  \(Installed\|Candidate\)/\1/p'
          apt-get $only --simulate dist-upgrade | grep -A1 'kept back' | tail -n 1
          apt-get $only --simulate --yes install kib-sample=2.0-1 2>&1 || echo refused
        `);
        expect(seen).toMatch(/^Installed: 1\.0-1\nCandidate: 2\.0-1\n\s*kib-sample\n/);
        expect(seen).toMatch(/Held packages were changed[^]*\nrefused$/);
      }, 240_000);

      it('setup: nothing of the build’s mirror, proxy and repositories is left, and the base’s own are back', async () => {
        const sources = (await node.look(sh`ls /etc/apt/sources.list.d`)).split('\n');
        expect(sources.sort()).toEqual([
          'amdgpu.sources',
          'debian.sources',
          'nvidia-container-toolkit.sources',
          'nvidia.sources',
        ]);
        expect(await node.look(sh`apt-config dump | grep -i proxy || :`)).toBe('');
        expect(await node.look(sh`apt-get indextargets --format '$(SITE)' | sort -u`)).not.toContain('localhost');
      });

      it('crio: runs containers of the image, by crun in cgroups of systemd', async () => {
        const seen = await runPod(node, 'docker.io/library/solo:1');
        expect(seen).toMatchObject({
          state: 'CONTAINER_RUNNING',
          says: expect.stringMatching(/^it runs on Linux version \d/) as string,
        });
        expect(seen.cgroup).toMatch(/^0::\/test\.slice\/crio-[0-9a-f]{64}\.scope/);
      }, 300_000);

      it('crio: pulls from the mirror of a registry', async () => {
        const before = registry.requests.length;
        expect(await node.look(sh`crictl --timeout 60s pull docker.io/org/late:1`)).toContain('Image is up to date');
        expect(registry.requests.slice(before).map(({ url }) => url)).toContainEqual(
          expect.stringMatching(/^\/v2\/hub\/org\/late\/manifests\//),
        );
      }, 180_000);

      it('crio: serves what its settings say', async () => {
        expect(
          await node.look(sh`curl --silent --fail http://127.0.0.1:9537/metrics | grep -cE '^(container_runtime_)?crio_'`),
        ).toMatch(/^[1-9]/);
      });

      it('gpu: containers run by the runtime that the toolkit brought, and the module that was built can be loaded, nouveau cannot', async () => {
        const seen = await runPod(node, 'docker.io/org/tool:1', 'nvidia');
        expect(seen.state).toBe('CONTAINER_RUNNING');
        expect(await node.look(sh`cat ${NVIDIA_LOG}`)).toMatch(/ create /);
        expect(await node.look(sh`modprobe nvidia && grep -c '^nvidia ' /proc/modules`)).toBe('1');
        expect(await node.look(sh`modprobe amdgpu && grep -c '^amdgpu ' /proc/modules`)).toBe('1');
        expect(await node.look(sh`modprobe nouveau 2>&1 || echo refused`)).toContain('refused');
      }, 300_000);

      it('providers: each machine registers by itself, and elsewhere than on Google’s cloud its agent does not start', async () => {
        expect(await node.look(sh`cat /var/lib/amazon/ssm/registration`)).toMatch(/^[0-9a-f-]{36}$/);
        expect(await node.look(sh`aws --version`)).toMatch(/^aws-cli\/2\.31\.9 /);
        expect(await node.look(sh`grep -cvE '^\[[0-9-]{10} [0-9:]{8}\] ' /var/log/cloud-init-output.log || :`)).toBe('0');
        const started = await node.look(sh`
          for unit in google-guest-agent google-startup-scripts google-oslogin-cache; do
            systemctl start "$unit.service" || :
            printf '%s ' "$(systemctl is-active "$unit.service" || :)"
            systemctl show --value --property Result "$unit.service"
          done
        `);
        expect(started.split('\n')).toEqual(Array.from({ length: 3 }, () => 'inactive exec-condition'));
      }, 180_000);

      it('firewall: an open port answers and closed ones do not, although all are listened on', async () => {
        await node.look(listenOn([8080, 9, 10_250]));
        expect(await knock(node, 8080)).toBe('here');
        expect(await knock(node, 9)).toBe('');
        // Open to the networks of nodes, which this host is in none of.
        expect(await knock(node, 10_250)).toBe('');
        // It is the firewall: without it the port answers.
        await node.look(sh`ufw disable`);
        expect(await knock(node, 9)).toBe('here');
        await node.look(sh`ufw --force enable`);
        expect(await knock(node, 9)).toBe('');
      }, 300_000);

      it('watchdog: a machine whose daemon no longer runs is reset by its hardware', async () => {
        const reset = nextWatchdog(node, (WATCHDOG_SECONDS * 2 + 60) * 1000);
        await node.look(sh`pkill -STOP -x watchdog`);
        expect(await reset).toBe('reset');
      }, 240_000);
    });
  },
);
