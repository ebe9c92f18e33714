import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent, CheckResult } from '../../src/core/index.ts';
import { isLeftOut } from '../support/long.ts';
import { ociArchive, serveRegistry, type TinyImage, tinyImage } from '../support/oci.ts';
import { startKib } from '../support/program.ts';

const PASSWORD = 'only-the-registry-knows';
/** How a guest on QEMU's user network reaches this host. */
const HOST = '10.0.2.2';

/** One build serves every assertion: an archive, a list, a mirror that wants a login and fails at first, and pinned digests. */
describe.skipIf(isLeftOut('container images from archives and a registry'))('container images in an image', () => {
  let scratch: string;
  let registry: Awaited<ReturnType<typeof serveRegistry>>;
  let events: readonly BuildEvent[];
  let images: Record<'alone' | 'two' | 'three' | 'tool', TinyImage>;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'kib-prepull-'));
    images = {
      alone: await tinyImage('alone'),
      two: await tinyImage('two'),
      three: await tinyImage('three'),
      tool: await tinyImage('tool'),
    };
    registry = await serveRegistry(
      { 'hub/library/two:2': images.two, 'hub/org/three:3': images.three, 'hub/org/tool:1': images.tool },
      { login: `me:${PASSWORD}`, failures: 2 },
    );
    const mirror = `${HOST}:${registry.port}`;
    const pulls = `mirrors: { docker.io: '${mirror}/hub' }
    plainHttp: ['${mirror}']
    credentials: { '${mirror}': { username: me, password: { env: TEST_REGISTRY_PASSWORD } } }`;
    writeFileSync(join(scratch, 'alone.tar'), await ociArchive(images.alone, 'docker.io/library/alone:1'));
    writeFileSync(join(scratch, 'images.json'), '["two:2"]');
    writeFileSync(join(scratch, 'tool.conf'), 'answer = 42\n');
    writeFileSync(
      join(scratch, 'node.yaml'),
      `image: debian13
base: bootstrap
firmware: bios
disk: 5GiB
without: [setup, providers, cni, kubernetes, guest-agent, network-manager, selinux, cloud-init]
recipes:
  containerd: { source: package }
  prepull:
    lists: [images.json]
    images: ['org/three:3@${images.three.digest}']
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
    const build = startKib(['build', join(scratch, 'node.yaml'), '--output-dir', join(scratch, 'output')], {
      XDG_STATE_HOME: join(scratch, 'state'),
      TEST_REGISTRY_PASSWORD: PASSWORD,
    });
    const { status, stderr } = await build.ended;
    events = build.events;
    expect(status, `${stderr}\n${lines().slice(-40).join('\n')}`).toBe(0);
  }, 1_500_000);
  afterAll(async () => {
    await registry?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const lines = () => events.flatMap((event) => (event.type === 'log' ? [event.line] : []));
  const results = (name: string): readonly CheckResult[] =>
    events.flatMap((event) => (event.type === 'check' && event.result.name === name ? [event.result] : []));

  it('are there before sealing and on the booted file', () => {
    for (const name of ['prepull/images', 'components/images', 'components/files']) {
      expect(
        results(name).map(({ ok }) => ok),
        name,
      ).toEqual([true, true]);
    }
  });

  it('are known to the CRI by their own names, the pinned ones by digest too', () => {
    const listed = lines().flatMap((line) => {
      const [, name, digest] = /^(\S+) +application\/\S+ +(sha256:\w+) .*managed/.exec(line) ?? [];
      return name === undefined ? [] : [`${name} ${digest}`];
    });
    expect(listed.sort()).toEqual(
      [
        `docker.io/library/alone:1 ${images.alone.digest}`,
        `docker.io/library/alone@${images.alone.digest} ${images.alone.digest}`,
        `docker.io/library/two:2 ${images.two.digest}`,
        `docker.io/org/three:3 ${images.three.digest}`,
        `docker.io/org/three@${images.three.digest} ${images.three.digest}`,
        `docker.io/org/tool:1 ${images.tool.digest}`,
      ].sort(),
    );
  });

  it('were fetched with the login, which is nowhere afterwards', () => {
    const login = `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}`;
    expect(registry.requests.some(({ authorization }) => authorization === login)).toBe(true);
    const logs = join(scratch, 'state');
    const files = (readdirSync(logs, { recursive: true }) as string[]).map((name) => join(logs, name));
    const texts = files.filter((file) => statSync(file).isFile()).map((file) => readFileSync(file, 'latin1'));
    expect(texts.length).toBeGreaterThan(3);
    expect(texts.filter((text) => text.includes(PASSWORD))).toEqual([]);
    expect(lines().join('\n')).not.toContain(PASSWORD);
  });
});
