import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { root } from '../program.ts';
import type { VmwareRig } from '../vmware/rig.ts';
import type { FakeVcenter } from './fake.ts';

/** What a fake vCenter saw of a build. */
export interface FakeReport {
  readonly leftovers: readonly string[];
  /** How many sessions nobody closed. */
  readonly sessions: number;
  readonly violations: readonly string[];
  readonly calls: readonly string[];
  /** Whether the exchanges were judged by VMware's descriptions. */
  readonly isValidated: boolean;
}

export interface VsphereRig {
  /** Options of the driver, without the password. */
  readonly options: Omit<FakeVcenter['options'], 'password'>;
  /** Ends it. */
  end(): Promise<FakeReport>;
}

/** Starts a fake vCenter in the namespace of a VMware rig, whose vmrun boots its machines. */
export async function startVsphereRig(vmware: VmwareRig, dir: string): Promise<VsphereRig> {
  await mkdir(dir, { recursive: true });
  const script = fileURLToPath(new URL('process.ts', import.meta.url));
  const argv = vmware.within([process.execPath, '--import', 'tsx', script, dir, vmware.vmrun, vmware.leases]);
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    ended.then(() => Promise.reject(new Error('the fake vCenter did not start'))),
  ]);
  return {
    options: JSON.parse(line) as VsphereRig['options'],
    end: async () => {
      child.kill('SIGTERM');
      await ended;
      return JSON.parse(await readFile(join(dir, 'report.json'), 'utf8')) as FakeReport;
    },
  };
}
