import { createHash } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, type ProbeStore, systemClock } from '../../../src/core/index.ts';
import { fileStamp } from '../../../src/io/file-stamp.ts';
import type { SmokeBoot, Verdict } from './smoke-boot.ts';

const FILE = 'probes.json';
/** A verdict may have been a bad moment of a busy host; and what is as old as this is thrown away. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;

const keptSchema = z.record(
  z.string(),
  z.object({
    atMs: z.number(),
    verdict: z.union([
      z.object({ usable: z.literal(true) }),
      z.object({ usable: z.literal(false), reason: z.string(), hint: z.string().exactOptional() }),
    ]),
  }),
);

type Kept = z.infer<typeof keptSchema>;

/**
 * What a probe says, or said under exactly the same circumstances: same boot of this host, same device, same QEMU, same CPU model. A file that
 * cannot be read or written only costs time.
 */
export async function keptVerdict(
  store: ProbeStore | undefined,
  boot: Pick<SmokeBoot, 'qemu' | 'arch' | 'accelerator' | 'cpu'>,
  probe: () => Promise<Verdict>,
  clock: Pick<Clock, 'now'> = systemClock,
): Promise<Verdict> {
  const key = store === undefined ? undefined : await circumstances(boot);
  if (store === undefined || key === undefined) return probe();
  const path = join(store.folder, FILE);
  if (!store.isRenewed) {
    const known = (await read(path, clock))[key];
    if (known !== undefined) return known.verdict;
  }
  const verdict = await probe();
  // Read again: others may have added theirs meanwhile.
  await write(path, { ...(await read(path, clock)), [key]: { atMs: clock.now(), verdict } });
  return verdict;
}

/** Undefined where a boot of the host has no name (macOS): nothing is kept there. */
async function circumstances(boot: Pick<SmokeBoot, 'qemu' | 'arch' | 'accelerator' | 'cpu'>): Promise<string | undefined> {
  try {
    const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const { dev, ino, rdev, ctimeMs } = await stat('/dev/kvm');
    const { qemu, arch, accelerator, cpu } = boot;
    const facts = [
      bootId.trim(),
      dev,
      ino,
      rdev,
      ctimeMs,
      process.getuid?.(),
      qemu,
      await fileStamp(qemu),
      arch,
      accelerator,
      cpu,
    ];
    return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
  } catch {
    return undefined;
  }
}

async function read(path: string, clock: Pick<Clock, 'now'>): Promise<Kept> {
  try {
    const kept = keptSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    const now = clock.now();
    return Object.fromEntries(Object.entries(kept).filter(([, { atMs }]) => atMs <= now && now - atMs < MAX_AGE_MS));
  } catch {
    return {};
  }
}

async function write(path: string, kept: Kept): Promise<void> {
  // One name per process: should it be killed right now, the next one of that pid writes over it.
  const part = `${path}.${process.pid}`;
  try {
    await writeFile(part, JSON.stringify(kept), { mode: 0o600 });
    await rename(part, path);
  } catch {
    await rm(part, { force: true }).catch(() => {});
  }
}
