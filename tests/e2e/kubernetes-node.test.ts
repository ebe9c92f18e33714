import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent, CheckResult } from '../../src/core/index.ts';
import { ensureKubernetesRelease, hasGo } from '../support/kubernetes/build.mjs';
import { serveDirectory } from '../support/kubernetes/serve.mjs';
import { isLeftOut } from '../support/long.ts';
import { startKib } from '../support/program.ts';

const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' });
const canCompile = hasGo();
if (!canCompile) console.warn('SKIPPED: the Kubernetes node test needs a Go toolchain to compile kubeadm, kubelet and kubectl');

/** One build and one boot serve every assertion here. */
describe.skipIf(!canCompile || isLeftOut('a node in every format'))(
  'a Debian 13 node with real kubeadm, kubelet and kubectl',
  () => {
    let scratch: string;
    let output: string;
    let version: string;
    let checks: readonly CheckResult[];
    let server: { url: string; requests: readonly { url: string }[]; close(): Promise<void> };

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), 'kib-node-'));
      const release = await ensureKubernetesRelease({ onLine: (line: string) => console.error(line) });
      version = release.version;
      server = await serveDirectory(release.dir);
      const image = join(scratch, 'node.yaml');
      writeFileSync(
        image,
        `image: debian13
base: bootstrap
disk: 6GiB
formats: [qcow2, raw, ova]
kubernetes: { version: ${version}, source: http, url: "${server.url}" }
recipes:
  containerd: { source: package }
  cni: { source: package }
provision:
  - shell: echo one > /etc/marker
`,
      );
      const build = startKib(['build', image, '--output-dir', join(scratch, 'output')], {
        XDG_STATE_HOME: join(scratch, 'state'),
      });
      const { status, stderr } = await build.ended;
      const log = build.events
        .filter((event) => event.type === 'log')
        .slice(-40)
        .map((event) => ('line' in event ? event.line : ''));
      expect(status, `${stderr}\n${log.join('\n')}`).toBe(0);
      const results = build.events.filter((event): event is BuildEvent & { type: 'check' } => event.type === 'check');
      checks = results.map((event) => event.result);
      output = join(scratch, 'output', `debian13-kube-${version}`);
    }, 1_500_000);
    afterAll(async () => {
      await server?.close();
      rmSync(scratch, { recursive: true, force: true });
    });

    const seen = (name: RegExp) =>
      checks
        .filter((check) => name.test(`${check.name} ${check.title}`))
        .map((check) => check.detail)
        .join('\n');

    it('passes every check, before sealing and on the booted file', () => {
      expect(checks.length).toBeGreaterThan(30);
      expect(checks.filter((check) => !check.ok)).toEqual([]);
    });

    it('reports the versions that were asked for', () => {
      expect(seen(/kubeadm/)).toContain(version);
      expect(seen(/kubelet/)).toContain(version);
      expect(seen(/containerd/)).toMatch(/1\.7\.\d+/);
    });

    it('fetched the binaries from the given server, with their digests', () => {
      const urls = server.requests.map((request) => request.url);
      for (const name of ['kubeadm', 'kubelet', 'kubectl'])
        expect(urls).toContain(`/release/${version}/bin/linux/amd64/${name}.sha256`);
    });

    it('writes every artifact with a checksum that sha256sum accepts', () => {
      const name = `debian13-kube-${version}`;
      expect(readdirSync(output).sort()).toEqual(
        [
          'manifest.json',
          ...['qcow2', 'raw', 'ova'].flatMap((format) => [`${name}.${format}`, `${name}.${format}.sha256`]),
        ].sort(),
      );
      for (const file of readdirSync(output).filter((entry) => entry.endsWith('.sha256'))) {
        expect(execFileSync('sha256sum', ['-c', file], { cwd: output, encoding: 'utf8' })).toContain(': OK');
      }
    });

    it('writes a sound qcow2 and an OVA in the order of the OVF specification', () => {
      const name = `debian13-kube-${version}`;
      expect(() => run('qemu-img', 'check', join(output, `${name}.qcow2`))).not.toThrow();
      const members = run('tar', '-tf', join(output, `${name}.ova`))
        .trim()
        .split('\n');
      expect(members.map((member) => member.split('.').at(-1))).toEqual(['ovf', 'mf', 'vmdk']);
    });

    it('records inputs, packages, timings and the verdict in the manifest', () => {
      const manifest = JSON.parse(readFileSync(join(output, 'manifest.json'), 'utf8'));
      expect(manifest.properties.KUBERNETES_SEMVER).toBe(version);
      expect(manifest.packages.find((entry: { name: string }) => entry.name === 'containerd')).toBeDefined();
      expect(manifest.inputs.requirements).toHaveLength(3);
      for (const requirement of manifest.inputs.requirements) expect(requirement.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(manifest.phases.length).toBeGreaterThan(5);
      expect(manifest.checks.every((check: CheckResult) => check.ok)).toBe(true);
    });
  },
);
