import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckResult, sha256 } from '../../src/core/index.ts';
import { type BuildRun, linesOf, runBuild, told } from '../support/build-run.ts';
import { ensureKubernetesRelease, hasGo, KUBERNETES_VERSION } from '../support/kubernetes/build.mjs';
import { filesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { ociArchive, serveRegistry, type TinyImage, tinyImage } from '../support/oci.ts';

const PASSWORD = 'only-the-registry-knows';
/** How a guest on QEMU's user network reaches this host. */
const HOST = '10.0.2.2';
/** What kubeadm v1.35.4 lists, below its repository. */
const KUBEADM_LIST = [
  ...['apiserver', 'controller-manager', 'scheduler', 'proxy'].map((name) => `kube-${name}:${KUBERNETES_VERSION}`),
  'coredns/coredns:v1.13.1',
  'pause:3.10.1',
  'etcd:3.6.6-0',
];
/** To compile it takes minutes. */
const hasKubeadm = process.env['KIB_TEST_LONG'] === '1' && hasGo();
if (!hasKubeadm)
  console.warn('NOTE: kubeadm’s list comes from a script; KIB_TEST_LONG=1 and a Go toolchain make it the real one');

/** One build serves every assertion: an archive, lists, a mirror that wants a login and fails at first, and pinned digests. */
describe.skipIf(isLeftOut('container images from archives and a registry'))('container images in an image', () => {
  let scratch: string;
  let registry: Awaited<ReturnType<typeof serveRegistry>>;
  let run: BuildRun;
  let images: Record<'alone' | 'two' | 'three' | 'tool' | 'part', TinyImage>;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'kib-prepull-'));
    images = {
      alone: await tinyImage('alone'),
      two: await tinyImage('two'),
      three: await tinyImage('three'),
      tool: await tinyImage('tool'),
      part: await tinyImage('part of Kubernetes'),
    };
    const { two, three, tool, part } = images;
    registry = await serveRegistry(
      {
        'hub/library/two:2': two,
        'hub/org/three:3': three,
        'hub/org/tool:1': tool,
        ...Object.fromEntries(KUBEADM_LIST.map((name) => [`k8s/${name}`, part])),
      },
      { login: `me:${PASSWORD}`, failures: 2 },
    );
    const mirror = `${HOST}:${registry.port}`;
    const pulls = `mirrors: { docker.io: '${mirror}/hub', registry.k8s.io: '${mirror}/k8s' }
    plainHttp: ['${mirror}']
    credentials: { '${mirror}': { username: me, password: { env: TEST_REGISTRY_PASSWORD } } }`;
    await writeRelease();
    writeFileSync(join(scratch, 'alone.tar'), await ociArchive(images.alone, 'docker.io/library/alone:1'));
    writeFileSync(join(scratch, 'images.json'), '["two:2"]');
    writeFileSync(join(scratch, 'tool.conf'), 'answer = 42\n');
    writeFileSync(
      join(scratch, 'node.yaml'),
      `image: debian13
base: bootstrap
firmware: bios
disk: 5GiB
without: [setup, node, providers, cni, guest-agent, network-manager, selinux, cloud-init]
kubernetes: { version: ${KUBERNETES_VERSION}, source: dir, dir: ${scratch}, completions: false, preflight: false }
recipes:
  containerd: { source: package }
  prepull:
    lists: [images.json]
    images: ['org/three:3@${three.digest}']
    archives: [{ from: alone.tar, images: ['alone:1@${images.alone.digest}'] }]
    ${pulls}
  components:
    images: [org/tool:1]
    files: [{ from: tool.conf, to: /etc/tool/tool.conf, mode: '0640' }]
    ${pulls}
provision:
  - shell: ctr --namespace k8s.io images ls | grep io.cri-containerd.image=managed
    name: what the CRI has
`,
    );
    run = await runBuild([join(scratch, 'node.yaml'), '--output-dir', join(scratch, 'output')], {
      XDG_STATE_HOME: join(scratch, 'state'),
      TEST_REGISTRY_PASSWORD: PASSWORD,
    });
    expect(run.status, told(run)).toBe(0);
  }, 1_500_000);
  afterAll(async () => {
    await registry?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** A release with a kubeadm; the rest of it only says which version it is. */
  async function writeRelease(): Promise<void> {
    const bin = join('release', KUBERNETES_VERSION, 'bin', 'linux', 'amd64');
    mkdirSync(join(scratch, bin), { recursive: true });
    const put = (name: string, bytes: string | Buffer) => {
      writeFileSync(join(scratch, bin, name), bytes);
      writeFileSync(join(scratch, bin, `${name}.sha256`), sha256(bytes));
    };
    put('kubelet', `#!/bin/sh\necho Kubernetes ${KUBERNETES_VERSION}\n`);
    put('kubectl', `#!/bin/sh\necho Client Version: ${KUBERNETES_VERSION}\n`);
    put('kubeadm', await kubeadm(bin));
  }

  async function kubeadm(bin: string): Promise<string | Buffer> {
    const asked = `config images list --kubernetes-version ${KUBERNETES_VERSION} --image-repository`;
    if (!hasKubeadm) {
      const list = KUBEADM_LIST.map((name) => `echo "$7/${name}"`).join('\n');
      return `#!/bin/sh\ncase "$*" in\n'${asked}'*)\n${list} ;;\nversion*) echo ${KUBERNETES_VERSION} ;;\n*) exit 64 ;;\nesac\n`;
    }
    const { dir } = await ensureKubernetesRelease({ onLine: (line: string) => console.error(line) });
    const listed = execFileSync(join(dir, bin, 'kubeadm'), [...asked.split(' '), 'registry.k8s.io'], { encoding: 'utf8' });
    expect(listed.trim().split('\n')).toEqual(KUBEADM_LIST.map((name) => `registry.k8s.io/${name}`));
    return readFileSync(join(dir, bin, 'kubeadm'));
  }

  const results = (name: string): readonly CheckResult[] =>
    run.events.flatMap((event) => (event.type === 'check' && event.result.name === name ? [event.result] : []));

  it('are there before sealing and on the booted file', () => {
    for (const name of ['prepull/images', 'prepull/kubeadm', 'components/images', 'components/files']) {
      expect(
        results(name).map(({ ok }) => ok),
        name,
      ).toEqual([true, true]);
    }
  });

  it('are known to the CRI by their own names, the pinned ones by digest too', () => {
    const listed = linesOf(run).flatMap((line) => {
      const [, name, digest] = /^(\S+) +application\/\S+ +(sha256:\w+) .*managed/.exec(line) ?? [];
      // The CRI keeps each image under its id as well, the digest of its configuration.
      return name === undefined || name.startsWith('sha256:') ? [] : [`${name} ${digest}`];
    });
    expect(listed.sort()).toEqual(
      [
        `docker.io/library/alone:1 ${images.alone.digest}`,
        `docker.io/library/alone@${images.alone.digest} ${images.alone.digest}`,
        `docker.io/library/two:2 ${images.two.digest}`,
        `docker.io/org/three:3 ${images.three.digest}`,
        `docker.io/org/three@${images.three.digest} ${images.three.digest}`,
        `docker.io/org/tool:1 ${images.tool.digest}`,
        ...KUBEADM_LIST.map((name) => `registry.k8s.io/${name} ${images.part.digest}`),
      ].sort(),
    );
  });

  it('came from the mirror and the archive alone', () => {
    const pulled = registry.requests.flatMap(({ url }) => /^\/v2\/(.+)\/manifests\//.exec(url)?.[1] ?? []);
    const wanted = [
      'hub/library/two',
      'hub/org/three',
      'hub/org/tool',
      ...KUBEADM_LIST.map((name) => `k8s/${name.split(':')[0]}`),
    ];
    expect([...new Set(pulled)].sort()).toEqual(wanted.sort());
  });

  it('were fetched with the login, which is nowhere afterwards', () => {
    const login = `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}`;
    expect(registry.requests.some(({ authorization }) => authorization === login)).toBe(true);
    expect(filesWith(run.id, [join(scratch, 'state')]).length).toBeGreaterThan(2);
    expect(filesWith(PASSWORD, [join(scratch, 'state'), join(scratch, 'output')])).toEqual([]);
    expect(linesOf(run).join('\n')).not.toContain(PASSWORD);
  });
});
