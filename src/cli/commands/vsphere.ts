import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { z } from 'zod';
import { errorMessage, KibError, Secret, type SecretRef, type SeedFiles, systemClock } from '../../core/index.ts';
import { networkFromEnv } from '../../io/network.ts';
import type { Cli } from '../cli.ts';
import { loadVsphere } from '../registry.ts';

interface CloudinitOptions {
  readonly userData: string;
  readonly metaData?: string;
  readonly server?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly insecure?: boolean;
  readonly caFile?: string;
  readonly varFile?: string;
}

/** What of image-builder's vsphere.json says how to log in. */
const varsSchema = z.looseObject({
  vcenter_server: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  insecure_connection: z.union([z.string(), z.boolean()]).optional(),
});

export function vsphereCommand(cli: Cli): Command {
  const cloudinit = new Command('cloudinit')
    .description('give a deployed, powered-off machine cloud-init data to try it with; takes a snapshot first')
    .argument('<vm>', 'name of the machine')
    .requiredOption('--user-data <file>', 'cloud-init user data')
    .option('--meta-data <file>', 'cloud-init metadata; default: a new instance id, and the machine’s name as its host name')
    .option('--server <name>', 'vCenter Server; default: VSPHERE_SERVER')
    .option('--username <name>', 'account; default: VSPHERE_USER')
    .option('--password-file <file>', 'file with its password; default: VSPHERE_PASSWORD')
    .option('--insecure', 'do not check vCenter’s certificate')
    .option('--ca-file <file>', 'PEM file with vCenter’s certificate authority')
    .option('--var-file <file>', 'vsphere.json of image-builder, for what is not given otherwise')
    .action((vm: string, options: CloudinitOptions) => attach(cli, vm, options));
  return new Command('vsphere').description('work on machines of vSphere that were made of an image').addCommand(cloudinit);
}

async function attach(cli: Cli, vm: string, options: CloudinitOptions): Promise<void> {
  const { cwd, env, signal } = cli.io;
  const read = (file: string) => readText(resolve(cwd, file));
  const vars = options.varFile === undefined ? {} : parseVars(options.varFile, await read(options.varFile));
  const place = {
    server: required('--server', options.server ?? vars.vcenter_server ?? env['VSPHERE_SERVER']),
    username: required('--username', options.username ?? vars.username ?? env['VSPHERE_USER']),
    password: passwordOf(options, vars.password, env, cwd),
    insecure: options.insecure === true || String(vars.insecure_connection) === 'true',
    caFile: options.caFile === undefined ? undefined : resolve(cwd, options.caFile),
  };
  const seed: SeedFiles = {
    'user-data': await read(options.userData),
    'meta-data':
      options.metaData === undefined
        ? `instance-id: ${randomUUID()}\nlocal-hostname: ${vm.replaceAll(/[^a-zA-Z0-9-]/g, '-')}\n`
        : await read(options.metaData),
  };
  const { attachCloudInit } = await loadVsphere();
  await attachCloudInit(place, vm, seed, (text) => cli.say(text), { clock: systemClock, signal, network: networkFromEnv(env) });
}

function passwordOf(
  { passwordFile }: CloudinitOptions,
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): SecretRef | Secret {
  if (passwordFile !== undefined) return { file: resolve(cwd, passwordFile) };
  const value = given ?? env['VSPHERE_PASSWORD'];
  return value === undefined ? { env: 'VSPHERE_PASSWORD' } : new Secret('password of vCenter', value);
}

function parseVars(file: string, text: string): z.output<typeof varsSchema> {
  try {
    return varsSchema.parse(JSON.parse(text));
  } catch {
    // The parser would quote what it could not read.
    throw new KibError('KIB_USAGE', `${file} is no vsphere.json: want a JSON object with vcenter_server, username and password`);
  }
}

function required(option: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw new KibError('KIB_USAGE', `${option} is missing`, { hint: 'or give --var-file vsphere.json' });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new KibError('KIB_USAGE', `cannot read ${path}: ${errorMessage(error)}`);
  }
}
