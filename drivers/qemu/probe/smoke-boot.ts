import { rm, writeFile } from 'node:fs/promises';
import type { Arch } from '../../../src/core/index.ts';
import { probeImage } from '../../../src/io/probe-guest/images.ts';
import { CommandError, run } from '../../../src/io/process.ts';
import { findProgram } from '../../../src/io/programs.ts';

/** Whether an accelerator runs guests here; the reason reads on after «but». */
export type Verdict = { readonly usable: true } | { readonly usable: false; readonly reason: string; readonly hint?: string };

export interface SmokeBoot {
  /** Path of the QEMU program. */
  readonly qemu: string;
  readonly arch: Arch;
  readonly accelerator: 'kvm' | 'hvf' | 'tcg';
  readonly cpu: string;
  /** File to put the test guest into; it is removed again. */
  readonly image: string;
  readonly signal: AbortSignal;
}

/** Where virtualisation works it takes a tenth of a second. */
const DEADLINE_SECONDS = 3;

/** Exit status of a test guest that got to its end: see src/io/probe-guest. */
const SUCCESS: Record<Arch, number> = { amd64: 33, arm64: 0 };

/** After saying one of these QEMU keeps the broken guest, stopped. */
const BROKEN = /KVM internal error|kvm run failed|KVM: entry failed/i;

/** Runs a test guest of a few instructions and sees whether it gets to its end. */
export async function smokeBoot(boot: SmokeBoot): Promise<Verdict> {
  const broken = new AbortController();
  const deadline = AbortSignal.timeout(DEADLINE_SECONDS * 1000);
  const complaints: string[] = [];
  const no = (reason: string): Verdict => ({ usable: false, reason: `a test guest under ${boot.accelerator} ${reason}` });
  try {
    await writeFile(boot.image, probeImage(boot.arch));
    const [program = boot.qemu, ...args] = await selfEnding([boot.qemu, ...smokeArgs(boot)]);
    await run(program, args, {
      signal: AbortSignal.any([boot.signal, broken.signal, deadline]),
      okCodes: [SUCCESS[boot.arch]],
      onLine: (line) => {
        complaints.push(line.trim());
        if (BROKEN.test(line)) broken.abort();
      },
    });
    return { usable: true };
  } catch (error) {
    if (broken.signal.aborted) return no(`crashed (${complaints.find((line) => BROKEN.test(line))})`);
    if (deadline.aborted && !boot.signal.aborted) return no(`hung for ${DEADLINE_SECONDS} s`);
    if (error instanceof CommandError) return no(`did not run (${complaints.at(-1) ?? error.message})`);
    throw error;
  } finally {
    await rm(boot.image, { force: true });
  }
}

function smokeArgs(boot: SmokeBoot): string[] {
  const common = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-m', '64', '-accel', boot.accelerator];
  const image = boot.image.replaceAll(',', ',,');
  return boot.arch === 'arm64'
    ? ['-machine', 'virt', '-cpu', boot.cpu, ...common, '-bios', boot.image]
    : [
        ['-machine', 'q35', '-cpu', boot.cpu, ...common],
        ['-drive', `if=none,id=disk,format=raw,read-only=on,file=${image}`, '-device', 'virtio-blk-pci,drive=disk'],
        ['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
      ].flat();
}

// A hung guest must end even when this process is killed in the meantime; macOS has no timeout(1), and goes without.
async function selfEnding(argv: readonly string[]): Promise<readonly string[]> {
  const timeout = await findProgram('timeout');
  return timeout === undefined ? argv : [timeout, '-k', '1', String(DEADLINE_SECONDS + 1), ...argv];
}
