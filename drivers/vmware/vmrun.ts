import { KibError } from '../../src/core/index.ts';
import { run } from '../../src/io/process.ts';
import type { VmwareHost } from './host.ts';

/** vmrun(1) says what went wrong on standard output, `Error: …`, and exits with 255 (Workstation, Fusion) or 1. */
const ANSWERS = [1, 255];

/** Arguments of a vmrun command: `vmrun -T ws start /path/x.vmx nogui`. */
export function vmrunArgs({ product }: Pick<VmwareHost, 'product'>, args: readonly string[]): readonly string[] {
  return ['-T', product, ...args];
}

/** Runs one vmrun command and returns what it prints. Throws KIB_VMRUN with what vmrun said. */
export async function vmrun(host: VmwareHost, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { stdout, stderr, exitCode } = await run(host.vmrun, vmrunArgs(host, args), { signal, okCodes: ANSWERS });
  const error = /^Error: (.*)$/m.exec(stdout)?.[1];
  if (error === undefined && exitCode === 0) return stdout;
  const said = error ?? (stderr.trim() || stdout.trim() || `exit code ${exitCode}`);
  throw new KibError('KIB_VMRUN', `vmrun ${args[0]} failed: ${said}`, {
    hint: hintFor(args[0], said),
    details: { command: args[0], said },
  });
}

function hintFor(command: string | undefined, said: string): string {
  if (/insufficient permissions/i.test(said)) return 'vmrun must run as the user who owns the machine’s files';
  if (/already (running|in use)|in use/i.test(said)) return 'another VMware process has the machine open: vmrun list';
  if (/Module .* power on failed|Hypervisor|VT-x|AMD-V/i.test(said))
    return 'is hardware virtualisation on, and the vmmon module loaded (vmware-modconfig)?';
  if (/license/i.test(said)) return 'start the product once by hand and accept its licence';
  if (command === 'clone') return 'Workstation Pro and Fusion Pro have linked clones; build with --cache off to do without';
  return 'see vmware.log in the machine’s folder';
}

/** Absolute paths of the .vmx files of the machines that run. */
export async function runningMachines(host: VmwareHost, signal: AbortSignal): Promise<readonly string[]> {
  const lines = (await vmrun(host, ['list'], signal)).split(/\r?\n/);
  return lines.slice(1).filter((line) => line.trim() !== '');
}
