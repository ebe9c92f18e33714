import { execFileSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { debian12 } from '../../src/catalog/debian12.ts';
import { GiB } from '../../src/core/index.ts';
import { ovaExporter } from '../../src/export/ova.ts';
import { info } from '../../src/io/qemu-img.ts';
import { testContext } from '../../tests/support/test-context.ts';
import { measure } from '../measure.ts';
import { ratios, type Sample, secondsOf, spread } from '../results.ts';
import { alternate, type Scenario } from '../scenario.ts';
import { BENCH, type Bench, folder } from '../workspace.ts';

const OURS = 'kib-native';
const THEIRS = 'qemu-img + sha256sum + tar';

/** A sealed disk: an overlay on the base, about 1 GB used. Both write descriptor, manifest and a streamOptimized VMDK into one file. */
export const ova: Scenario = {
  name: 'ova',
  title: 'OVA from a sealed disk with 1 GB used',
  rounds: 3,
  async run(bench, rounds) {
    const scratch = folder(bench, 'ova');
    const disk = join(scratch, 'disk.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', bench.base, '-F', 'qcow2', disk, String(10 * GiB)]);
    const samples: Sample[] = [];
    const sizes: number[] = [];
    let made = '';
    await alternate(rounds, [
      async () => {
        const { sample, path } = await exportOva(bench, disk, scratch);
        samples.push(sample);
        made = path;
        sizes.push(statSync(path).size);
      },
      async () => {
        const { seconds, cpuSeconds } = await measure(['sh', join(BENCH, 'ova.sh'), disk, join(scratch, 'theirs')], {
          cwd: scratch,
          signal: bench.signal,
          timeoutMs: 900_000,
          log: join(bench.work, 'ova.log'),
        });
        samples.push({ subject: THEIRS, seconds, cpuSeconds });
      },
    ]);
    const theirs = statSync(join(scratch, 'theirs/image.ova')).size;
    const members = execFileSync('tar', ['-tf', made], { encoding: 'utf8' }).trim().split('\n');
    const vmdk = members.at(-1) ?? '';
    execFileSync('tar', ['-xf', made, '-C', scratch, vmdk]);
    const answer = execFileSync('qemu-img', ['compare', '-f', 'qcow2', '-F', 'vmdk', disk, join(scratch, vmdk)], {
      encoding: 'utf8',
    });
    if (!answer.includes('Images are identical')) throw new Error(`qemu-img reads another disk from the OVA: ${answer}`);
    rmSync(scratch, { recursive: true });
    const { allocatedBytes } = await info({ path: bench.base, format: 'qcow2' }, bench.signal);
    return {
      samples,
      verdicts: [
        {
          what: `${THEIRS} / ${OURS}`,
          unit: '×',
          bound: 'at least',
          goal: 1.7,
          got: ratios(secondsOf(samples, THEIRS), secondsOf(samples, OURS)),
        },
        {
          what: 'size of ours / theirs',
          unit: '×',
          bound: 'at most',
          goal: 1.02,
          got: spread(sizes.map((size) => size / theirs)),
        },
      ],
      proofs: [`qemu-img reads the VMDK in the OVA as the same bytes as the disk (${members.join(', ')})`],
      notes: [`The disk has ${Math.round(allocatedBytes / 1e6)} MB used; the OVA of qemu-img is ${Math.round(theirs / 1e6)} MB.`],
    };
  },
};

/** Within this process, as a build does it: Node has started long before. */
async function exportOva(
  bench: Bench,
  disk: string,
  scratch: string,
): Promise<{ readonly sample: Sample; readonly path: string }> {
  const output = folder(bench, 'ova/ours');
  await using context = await testContext({ signal: bench.signal, cache: join(scratch, 'cache') });
  const machine = { arch: 'amd64', firmware: 'bios', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 10 * GiB, x86Level: 1 } as const;
  const subject = { name: 'bench', os: debian12, machine, properties: {} };
  const sealed = { kind: 'file', path: disk, format: 'qcow2', virtualBytes: 10 * GiB } as const;
  const before = process.cpuUsage();
  const start = performance.now();
  const { path } = await ovaExporter.export(sealed, subject, output, ovaExporter.options.parse({}), context);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { sample: { subject: OURS, seconds, cpuSeconds: (user + system) / 1e6 }, path };
}
