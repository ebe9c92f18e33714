import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh } from '../../src/core/index.ts';
import { ownCacheHome } from '../support/boot-base.ts';
import { type BootedNode, bootNode } from '../support/booted-node.ts';
import { type DebianSite, serveDebianSite } from '../support/debian-site.ts';
import { ensureKubernetesRelease, hasGo } from '../support/kubernetes/build.mjs';
import { isLeftOut } from '../support/long.ts';
import { programImage, serveRegistry } from '../support/oci.ts';
import { runPod } from '../support/pods.ts';
import { type Built, buildRecipes, expectAsCold, printTimes, recipesOf } from '../support/recipe-build.ts';
import { ASKED, clusterRecipes, KUBEVIRT_IMAGES, LOGIN, RELEASE_IMAGES } from '../support/recipes/cluster.ts';
import { canCompileReleases } from '../support/releases/go.ts';
import { staticProgram } from '../support/static-program.ts';

const canCompile = hasGo() && canCompileReleases();
if (!canCompile) console.warn('SKIPPED: the test of cluster recipes needs a Go toolchain to compile containerd and Kubernetes');

/**
 * A node from release files, and a cluster of it on first boot. containerd, gVisor and Kubernetes are real, compiled here. Registries of Kubernetes
 * and KubeVirt are not reached: images of their names hold a program that only waits, so that the first boot must end, with a named
 * error, where the API server would have to answer.
 */
describe.skipIf(!canCompile || isLeftOut('recipes of a cluster on Debian, cold, from layers and booted'))(
  'recipes of a cluster on Debian 13',
  () => {
    let scratch: string;
    let cache: string;
    let site: DebianSite;
    let kubernetes: { readonly version: string; readonly dir: string };
    let registry: Awaited<ReturnType<typeof serveRegistry>>;
    let secure: Awaited<ReturnType<typeof serveRegistry>>;
    let recipes: string;

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'kib-cluster-'));
      cache = ownCacheHome('cluster');
      const served = await serveDebianSite();
      if (served === undefined) throw new Error('apt of this host does not install from Debian by http');
      site = served;
      kubernetes = await ensureKubernetesRelease({ onLine: (line: string) => console.error(line) });
      const program = await staticProgram();
      const image = async (name: string) => [name, await programImage(name, program)] as const;
      const names = [...kubeadmImages(), ...KUBEVIRT_IMAGES, 'org/tool:1', 'org/late:1'];
      registry = await serveRegistry(Object.fromEntries(await Promise.all(names.map(image))), { port: 18_767 });
      const login = `${LOGIN.username}:${LOGIN.password}`;
      secure = await serveRegistry(Object.fromEntries([await image('org/private:1')]), { login, port: 18_768 });
      recipes = await clusterRecipes({ scratch, site, kubernetes, program, registry: registry.port, secure: secure.port });
    }, 1_800_000);
    afterAll(async () => {
      await site?.[Symbol.asyncDispose]();
      await registry?.close();
      await secure?.close();
      for (const folder of [scratch, cache]) rmSync(folder, { recursive: true, force: true });
    });

    /** What kubeadm lists, but for what the release has as files. */
    function kubeadmImages(): readonly string[] {
      const { version, dir } = kubernetes;
      const kubeadm = join(dir, 'release', version, 'bin/linux/amd64/kubeadm');
      const list = execFileSync(kubeadm, ['config', 'images', 'list', '--kubernetes-version', version], { encoding: 'utf8' });
      return list
        .trim()
        .split('\n')
        .filter((name) => !RELEASE_IMAGES.some((file) => name.includes(`/${file}:`)));
    }

    const build = (output: string, text: string): Promise<Built> =>
      buildRecipes(
        scratch,
        output,
        `image: debian13
name: cluster
base: bootstrap
firmware: bios
disk: 8GiB
kubernetes:
  version: ${kubernetes.version}
  source: http
  url: "${site.url}/k8s"
  kubeletExtraArgs: [--v=2]
  kubeletConfig: { maxPods: 200 }
  resourceSizing: true
recipes: ${recipes}
provision:
  - shell: echo ${text} >/etc/kib-marker
`,
        { XDG_CACHE_HOME: cache, http_proxy: site.proxy, no_proxy: '' },
      );

    let cold: Built;
    it('are green when built cold, before sealing and on the booted file', async () => {
      cold = await build('cold', 'one');
      expect(cold.spans).toContain('wait for the guest');
      expect(recipesOf(cold)).toEqual(
        expect.arrayContaining(['containerd', 'cni', 'kubernetes', 'prepull', 'credential-provider', 'first-boot', 'kubevirt']),
      );
      expect(cold.checks.filter(({ ok }) => !ok)).toEqual([]);
    }, 2_400_000);

    it('are green when a step of the user’s is made again on the layers of the recipes', async () => {
      const again = await build('again', 'two');
      printTimes('recipes of a cluster', cold, again);
      expect(again.spans.filter((name) => name.startsWith('continue from layer'))).toHaveLength(1);
      expectAsCold(again, cold);
    }, 1_200_000);

    describe('do what they say in a machine that booted', () => {
      let node: BootedNode;
      beforeAll(async () => {
        node = await bootNode(cold.disk, scratch);
      }, 900_000);
      afterAll(() => node?.[Symbol.asyncDispose]());

      it('prepull: an image that the release has as a file runs, under the name that kubeadm asks for', async () => {
        const seen = await runPod(node, `registry.k8s.io/kube-proxy:${kubernetes.version}`);
        expect(seen.state).toBe('CONTAINER_RUNNING');
        expect(seen.says).toMatch(/^it runs on Linux version \d.*debian/);
        expect(seen.cgroup).toMatch(/^0::\/test\.slice\/cri-containerd-[0-9a-f]{64}\.scope/);
        expect(await node.look(sh`crictl images | grep -c -e '-amd64' || :`)).toBe('0');
      }, 300_000);

      it('containerd: a pod that asks for gVisor runs on gVisor’s kernel', async () => {
        expect(await runPod(node, 'docker.io/org/tool:1', 'gvisor')).toMatchObject({
          state: 'CONTAINER_RUNNING',
          says: expect.stringMatching(/^it runs on Linux version .*gvisor/) as string,
        });
      }, 300_000);

      it('containerd: pulls from the mirror of a registry', async () => {
        const before = registry.requests.length;
        expect(await node.look(sh`crictl --timeout 60s pull docker.io/org/late:1`)).toContain('Image is up to date');
        expect(registry.requests.slice(before).map(({ url }) => url)).toContainEqual(
          expect.stringMatching(/^\/v2\/org\/late\/manifests\/1/),
        );
      }, 180_000);

      it('kubevirt: begins to make a cluster in the machine’s own name', async () => {
        await node.look(sh`until [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; do sleep 1; done`);
        expect(await node.look(sh`cat /etc/motd.d/kubevirt`)).toBe('KubeVirt: making a cluster of this machine, node');
        expect(await node.look(sh`openssl x509 -noout -ext subjectAltName -in /etc/kubernetes/pki/apiserver.crt`)).toMatch(
          /DNS:node[,\n]/,
        );
      }, 600_000);

      it('credential-provider: kubelet pulls with the login that its program answers', async () => {
        const name = `10.0.2.2:${secure.port}/org/private:1`;
        expect(await node.look(sh`crictl --timeout 60s pull ${name} 2>&1 || echo refused`)).toMatch(/refused$/);
        const pod = {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'private', namespace: 'kube-system' },
          spec: { hostNetwork: true, containers: [{ name: 'program', image: name, imagePullPolicy: 'Always' }] },
        };
        await node.look(sh`printf '%s\n' ${JSON.stringify(pod)} >/etc/kubernetes/manifests/private.yaml`);
        let running = '';
        for (let waited = 0; waited < 240 && running === ''; waited += 5) {
          running = await node.look(sh`sleep 5; crictl ps --quiet --state running --name program`);
        }
        expect(running).toMatch(/^[0-9a-f]{12,}$/);
        const { username, password } = LOGIN;
        const login = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
        expect(secure.requests.some(({ url, authorization }) => url.includes('/manifests/') && authorization === login)).toBe(
          true,
        );
        expect(JSON.parse(await node.look(sh`head -n 1 ${ASKED}`))).toMatchObject({
          kind: 'CredentialProviderRequest',
          // The repository, without the tag.
          image: name.replace(/:1$/, ''),
        });
      }, 600_000);

      it('kubernetes: kubelet has its extra arguments, and keeps a quarter of so small a machine from pods', async () => {
        expect(await node.look(sh`journalctl --unit kubelet --output cat | grep -c 'FLAG: --v="2"'`)).toMatch(/^[1-9]/);
        const [pods = 0, kibibytes = 0] = (
          await node.look(sh`
            cat /sys/fs/cgroup/kubepods.slice/memory.max
            awk '/^MemTotal:/ { print $2 }' /proc/meminfo
          `)
        )
          .split('\n')
          .map(Number);
        expect(pods / (kibibytes * 1024)).toBeCloseTo(0.75, 1);
      });

      it('first-boot: says where it ended, and tries again at the next boot', async () => {
        let status = '';
        for (let waited = 0; waited < 900 && !status.startsWith('failed'); waited += 10) {
          status = await node.look(sh`sleep 10; cat /var/lib/kib-first-boot/status 2>/dev/null || :`);
        }
        expect(status).toMatch(/^failed: 80-kubevirt exited with status \d+, attempt 1 of 1; the next boot tries again$/);
        expect(await node.look(sh`systemctl is-enabled kib-first-boot.service`)).toBe('enabled');
      }, 1_000_000);
    });
  },
);
