import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RemoteImage } from '../../src/core/index.ts';
import { findProgram } from '../../src/io/programs.ts';
import { testBase } from '../support/boot-base.ts';
import { ACCOUNT, FakeAws } from '../support/ec2/fake.ts';
import { QemuHypervisor } from '../support/ec2/qemu.ts';
import { fakeCredentials } from '../support/ec2/rig.ts';
import { processesWith } from '../support/leftovers.ts';
import { isLeftOut } from '../support/long.ts';
import { testContext } from '../support/test-context.ts';

const bin = fileURLToPath(new URL('../../bin/kib-native.ts', import.meta.url));
const WITHOUT = 'node, containerd, cni, kubernetes, guest-agent, cloud-init, prepull, providers, network-manager';

// Amazon is our fake; behind its instances stands QEMU, so that what is provisioned, stopped, made an AMI and judged is real.
const lacks =
  process.getuid?.() !== 0
    ? 'only root may listen on port 22'
    : (await findProgram('nc')) === undefined
      ? 'nc is missing'
      : undefined;

describe.skipIf(lacks !== undefined || isLeftOut('a whole build on the EC2 rig'))(
  `a build on the interface of EC2${lacks === undefined ? '' : `: ${lacks}`}`,
  () => {
    let dir: string;
    let aws: FakeAws;
    let hypervisor: QemuHypervisor;
    let base: string;
    let ami: string;

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'kib-ec2-'));
      hypervisor = new QemuHypervisor(dir);
      aws = await FakeAws.start({ hypervisor, settleMs: 500, lagMs: 100 });
      const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kib-native');
      await using context = await testContext({ cache });
      base = await testBase(context);
    });
    afterAll(async () => {
      await aws[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });

    async function kib(
      args: readonly string[],
    ): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
      const env = {
        ...process.env,
        ...fakeCredentials(),
        XDG_STATE_HOME: join(dir, 'state-home'),
        XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
      };
      const child = spawn(process.execPath, ['--import', 'tsx', bin, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      const [out, err]: [Buffer[], Buffer[]] = [[], []];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
      const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
      return { status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
    }

    it('begins at an AMI that was made without an instance', async () => {
      const started = Date.now();
      const made = await kib([
        'publish',
        'ami',
        base,
        '--region',
        'eu-central-1',
        '--endpoint',
        aws.endpoint,
        '--name',
        'base',
        '--json',
      ]);
      console.log(`publish ami on the EC2 rig: ${Math.round((Date.now() - started) / 1000)} s`);
      expect(made.status, made.stderr).toBe(0);
      const [image] = JSON.parse(made.stdout) as readonly RemoteImage[];
      ami = image?.id ?? '';
      const blocks = aws.region().snapshots.get(image?.facts['snapshots'] ?? '')?.blocks.size ?? 0;
      expect(blocks).toBeGreaterThan(100);
    });

    it('copies an AMI of the Marketplace to one without its product code', async () => {
      const source = aws.region().images.get(ami);
      Object.assign(source ?? {}, { productCodes: ['aw0evgkw8e5c1q413zgy5pjce'] });
      const started = Date.now();
      const where = ['--region', 'eu-central-1', '--endpoint', aws.endpoint, '--allow-from', '127.0.0.0/8'];
      const pace = ['--poll-seconds', '1', '--slowness', '8', '--name', 'stripped'];
      const made = await kib(['ec2', 'strip-product-code', ami, ...where, ...pace, '--json']);
      console.log(`strip-product-code on the EC2 rig: ${Math.round((Date.now() - started) / 1000)} s`);
      expect(made.status, made.stderr).toBe(0);
      const [image] = JSON.parse(made.stdout) as readonly RemoteImage[];
      const stripped = aws.region().images.get(image?.id ?? '');
      expect(stripped).toMatchObject({ productCodes: [], gib: source?.gib, bootMode: source?.bootMode });
      // Both AMIs with their snapshots are all that is left.
      expect(aws.leftovers()).toHaveLength(4);
      expect(made.stdout + made.stderr).not.toContain('PRIVATE KEY');
      ami = stripped?.id ?? '';
    });

    // The base is the copy: only if that is whole does any of this work.
    it('makes an AMI that boots, and a copy of it', async () => {
      const image = join(dir, 'image.yaml');
      await writeFile(
        image,
        `image: debian13
base:
  ami: ${ami}
driver:
  name: ec2
  region: eu-central-1
  endpoint: ${aws.endpoint}
  allowFrom: [127.0.0.0/8]
  pollSeconds: 1
  slowness: 8
  ami:
    regions: [us-east-1]
    shareWith: { accounts: ["222233334444"] }
firmware: bios
disk: 5GiB
without: [${WITHOUT}]
provision:
  - shell: test -b /dev/nvme0n1 && test "$(cloud-id)" = aws && echo provisioned >/etc/kib-ec2
    name: disk and data source are those of EC2
`,
      );
      const started = Date.now();
      const built = await kib(['build', image, '--output-dir', join(dir, 'output'), '--json']);
      console.log(`build, AMI and verdict on the EC2 rig: ${Math.round((Date.now() - started) / 1000)} s`);
      expect(built.status, built.stderr + built.stdout.slice(-2000)).toBe(0);
      const manifest = JSON.parse(await readFile(join(dir, 'output/debian13/manifest.json'), 'utf8')) as {
        readonly images: readonly RemoteImage[];
        readonly verified: boolean;
      };
      expect(manifest.verified).toBe(true);
      expect(manifest.images.map(({ location }) => location)).toEqual(['eu-central-1', 'us-east-1']);
      // The helper, the build's machine, and the verdict's.
      expect(hypervisor.started).toBe(3);
      const ours = [...aws.region().images.values()].filter(({ owner }) => owner === ACCOUNT);
      expect(ours.map(({ id }) => id)).toEqual([expect.any(String), ami, manifest.images[0]?.id]);
      expect(ours[2]?.permissions).toEqual([{ UserId: '222233334444' }]);
      // Both bases, AMI and copy with a snapshot each are all that is left.
      expect(aws.leftovers()).toHaveLength(8);
      expect(processesWith(dir)).toEqual([]);
      const said = built.stdout + built.stderr + JSON.stringify(aws.calls.map(({ query }) => query));
      expect(built.stdout + built.stderr).not.toContain('PRIVATE KEY');
      expect(said).not.toContain('secret-of-the-fake');
    });
  },
);
