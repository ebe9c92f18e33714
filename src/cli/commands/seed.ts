import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { extname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { buildSeed, writeSeedIso } from '../../../cloudinit/index.ts';
import { errorMessage, KibError, quote, type SeedFiles, systemCode } from '../../core/index.ts';
import { generateKeyPair } from '../../transport/keys.ts';
import type { Cli } from '../cli.ts';
import { configureImages, type ImageOptions, withImageOptions } from '../image-options.ts';

interface SeedCommandOptions extends ImageOptions {
  readonly output: string;
  readonly sshKey?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly force?: boolean;
}

/** What useradd(8) takes on every system of the catalog. */
const USERNAME = /^[a-z_][a-z0-9_-]{0,31}$/;
/** RFC 1123 §2.1. */
const HOSTNAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

const OWNER_ONLY = { mode: 0o600 } as const;

export function seedCommand(cli: Cli): Command {
  return withImageOptions(new Command('seed').description('write a NoCloud seed to boot a finished image with, by hand'))
    .requiredOption('-o, --output <path>', 'an ISO file (name ends in .iso) or a folder')
    .option('--ssh-key <file>', 'OpenSSH public key that may log in; without it a new key is written beside the seed')
    .option('--user <name>', 'account to make; default: the system’s own name for it')
    .option('--hostname <name>', 'name of the machine; default: the image’s')
    .option('--force', 'replace files that are there')
    .action((targets: readonly string[], options: SeedCommandOptions) => writeSeed(cli, targets, options));
}

async function writeSeed(cli: Cli, targets: readonly string[], options: SeedCommandOptions): Promise<void> {
  const { images } = await configureImages(cli, targets, options);
  const [configured, ...more] = images;
  if (configured === undefined || more.length > 0) throw new KibError('KIB_USAGE', 'a seed is for one image; got several');
  const { image } = configured;
  const output = resolve(cli.io.cwd, options.output);
  const isIso = extname(output) === '.iso';
  const login = options.sshKey === undefined ? generateKeyPair('kib-native seed') : undefined;
  const authorizedKey = login?.publicKey ?? (await readPublicKey(resolve(cli.io.cwd, options.sshKey ?? '')));
  const username = options.user ?? image.os.defaultUser;
  if (!USERNAME.test(username) || username === 'root') {
    throw new KibError('KIB_USAGE', `--user must be an account name other than root, got ${JSON.stringify(username)}`);
  }
  const hostname = options.hostname ?? image.name.replaceAll('.', '-');
  if (!HOSTNAME.test(hostname))
    throw new KibError('KIB_USAGE', `--hostname must be a host name, got ${JSON.stringify(hostname)}`);
  const files = buildSeed({
    instanceId: `kib-seed-${randomUUID()}`,
    hostname,
    minimal: false,
    login: { username, authorizedKey },
    hostKey: generateKeyPair(`root@${hostname}`),
  });
  const keyFile = isIso ? `${output}.key` : join(output, 'login-key');
  const outputs = [
    ...(isIso ? [output] : Object.keys(files).map((name) => join(output, name))),
    ...(login === undefined ? [] : [keyFile]),
  ];
  await (isIso
    ? writeIso(files, output, options.force === true, cli.io.signal)
    : writeFolder(files, output, options.force === true));
  if (login !== undefined) await writeNew(keyFile, login.privateKey, options.force === true);
  cli.print(outputs.join('\n'));
  if (login !== undefined) cli.say(`log in with: ssh -i ${quote(relative(cli.io.cwd, keyFile))} ${username}@<address>`);
}

async function writeIso(files: SeedFiles, path: string, force: boolean, signal: AbortSignal): Promise<void> {
  // Claimed first, so that xorriso never writes over a file that somebody wants.
  await writeNew(path, '', force);
  try {
    await writeSeedIso(files, path, signal);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function writeFolder(files: SeedFiles, dir: string, force: boolean): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(files) as [string, string][]) await writeNew(join(dir, name), text, force);
}

async function writeNew(path: string, text: string, force: boolean): Promise<void> {
  try {
    if (force) await rm(path, { force: true });
    await writeFile(path, text, { ...OWNER_ONLY, flag: 'wx' });
  } catch (error) {
    if (systemCode(error) === 'EEXIST')
      throw new KibError('KIB_OUTPUT_EXISTS', `${path} is there already`, { hint: 'add --force to replace it' });
    throw new KibError('KIB_HOST_PERMISSION', `cannot write ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

async function readPublicKey(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new KibError('KIB_USAGE', `cannot read ${path}: ${errorMessage(error)}`, { hint: 'give an OpenSSH public key file' });
  }
  if (/^(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+( .*)?$/.test(text)) return text;
  throw new KibError('KIB_USAGE', `${path} holds no OpenSSH public key`, { hint: 'public keys end in .pub' });
}
