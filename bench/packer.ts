import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measure } from './measure.ts';
import type { Phase, Sample } from './results.ts';
import { BENCH, type Bench, folder } from './workspace.ts';

export const PEER = 'Packer + Ansible';
export const PEER_AS_SET = 'Packer + Ansible as image-builder sets it';

export interface PeerBuild {
  readonly label: string;
  /** Name of a playbook in peer/. */
  readonly list: 'short' | 'whole';
  /** To install besides those of the list. */
  readonly packages?: readonly string[];
  /** Settings of Ansible in peer/; default: those of somebody who wants speed. */
  readonly config?: 'ansible.cfg' | 'image-builder.cfg';
}

export interface PeerRun {
  readonly sample: Sample;
  readonly image: string;
}

const TIMEOUT_MS = 2_400_000;

/** What Packer says when a stretch of its work begins. */
const MARKS: readonly (readonly [RegExp, string])[] = [
  [/Retrieving ISO|Creating required virtual machine disks/, 'prepare'],
  [/Starting VM|Waiting for SSH/, 'boot to SSH'],
  [/Provisioning with shell script/, 'wait for cloud-init'],
  [/Provisioning with Ansible/, 'Ansible'],
  [/Gracefully halting/, 'power-off'],
  [/Running post-processor/, 'convert and SHA-256'],
];

/** `packer build`, timed from the start of its process to its end. Its key and its seed are made before. */
export async function buildWithPacker(bench: Bench, build: PeerBuild): Promise<PeerRun> {
  const scratch = folder(bench, 'peer');
  const { seed, key } = makeSeed(scratch);
  const output = join(scratch, 'output');
  const peer = join(BENCH, 'peer');
  const variables = {
    accelerator: bench.accelerator,
    cpu: bench.accelerator === 'tcg' ? 'max' : 'host',
    base: bench.base,
    seed,
    key,
    output,
    playbook: join(peer, `${build.list}.yml`),
    config: join(peer, build.config ?? 'ansible.cfg'),
    packages: (build.packages ?? []).join(' '),
  };
  const subject = build.config === 'image-builder.cfg' ? PEER_AS_SET : PEER;
  const argv = Object.entries(variables).flatMap(([name, value]) => ['-var', `${name}=${value}`]);
  const marks: { readonly name: string; readonly at: number }[] = [];
  const measured = await measure(['packer', 'build', '-color=false', ...argv, join(peer, 'packer.json')], {
    cwd: peer,
    env: {
      PACKER_CACHE_DIR: join(scratch, 'cache'),
      CHECKPOINT_DISABLE: '1',
      TMPDIR: scratch,
      ANSIBLE_LOCAL_TEMP: join(scratch, 'ansible'),
    },
    signal: bench.signal,
    timeoutMs: TIMEOUT_MS,
    log: join(bench.work, `${build.label}.log`),
    onLine: (line, at) => {
      const name = MARKS.find(([pattern]) => pattern.test(line))?.[1];
      if (name !== undefined && marks.at(-1)?.name !== name) marks.push({ name, at });
    },
  });
  const { seconds, cpuSeconds } = measured;
  const phases = marks.map(({ name, at }, index): Phase => ({ name, seconds: (marks[index + 1]?.at ?? seconds) - at }));
  return { sample: { subject, seconds, cpuSeconds, phases }, image: join(output, 'image.qcow2') };
}

function makeSeed(scratch: string): { readonly seed: string; readonly key: string } {
  const key = join(scratch, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', key]);
  const files = join(scratch, 'seed');
  const text = readFileSync(join(BENCH, 'peer/user-data.yaml'), 'utf8');
  execFileSync('mkdir', [files]);
  writeFileSync(join(files, 'user-data'), text.replace('@KEY@', readFileSync(`${key}.pub`, 'utf8').trim()));
  writeFileSync(join(files, 'meta-data'), 'instance-id: bench\nlocal-hostname: localhost\n');
  const seed = `${files}.iso`;
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-o', seed, '-V', 'cidata', '-J', '-r', files], { stdio: 'ignore' });
  return { seed, key };
}
