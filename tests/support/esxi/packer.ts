import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../../src/io/process.ts';
import type { EsxiRig } from './rig.ts';

/** Packer loops for ever where an answer is not what it hopes for. */
const LONGEST_MS = 900_000;

/**
 * Runs HashiCorp Packer’s vmware-vmx builder in its `esx5` mode on the rig, with a shell provisioner where the guest
 * can be logged in to. Returns what it printed.
 */
export async function packerBuildOnEsxi(
  rig: EsxiRig,
  builder: Readonly<Record<string, unknown>>,
  inline: readonly string[] | undefined,
  dir: string,
): Promise<string> {
  const { host, port } = await rig.listenInside();
  const remote = {
    type: 'vmware-vmx',
    remote_type: 'esx5',
    remote_host: host,
    remote_port: port,
    remote_username: 'root',
    remote_password: 'not asked for',
    remote_private_key_file: rig.keyFile,
    remote_datastore: 'datastore1',
    headless: true,
    disable_vnc: true,
    // The export is ovftool's.
    skip_export: true,
    skip_validate_credentials: true,
    keep_registered: true,
  };
  await writeFile(
    join(dir, 'esxi.json'),
    JSON.stringify({
      builders: [{ ...remote, ...builder }],
      provisioners: inline === undefined ? [] : [{ type: 'shell', inline }],
    }),
  );
  const sdk = await startSdk(rig, dir);
  try {
    const [program = '', ...args] = rig.within(['sh', '-c', 'cd "$1" && exec packer build -color=false esxi.json', 'sh', dir]);
    const { stdout, exitCode } = await run(program, args, {
      signal: AbortSignal.timeout(LONGEST_MS),
      okCodes: [1],
      env: { HOME: dir, CHECKPOINT_DISABLE: '1' },
    });
    // It says there, too, what went wrong.
    if (exitCode !== 0) throw new Error(stdout.slice(-4000));
    return stdout;
  } finally {
    sdk.kill();
  }
}

/** Packer logs in to the host's API before anything else. */
async function startSdk(rig: EsxiRig, dir: string) {
  const [key, certificate] = [join(dir, 'sdk.key'), join(dir, 'sdk.crt')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', certificate, '-days', '1', '-subj', '/CN=esxi'], {
    stdio: 'ignore',
  });
  const script = fileURLToPath(new URL('sdk.mjs', import.meta.url));
  const [program = '', ...args] = rig.within([process.execPath, script, key, certificate]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}
