import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './sources.ts';

/** The package as a registry would have it: what `npm pack` makes of dist/. */
export interface PackedPackage extends Disposable {
  readonly path: string;
}

/** A folder of somebody who uses the package, with a home of its own. */
export interface Outside extends Disposable {
  readonly folder: string;
  readonly home: string;
  /** Runs a program there and returns what it said; throws with its output when it fails. */
  run(program: string, args: readonly string[]): string;
}

export function packPackage(): PackedPackage {
  const folder = mkdtempSync(join(tmpdir(), 'kib-pack-'));
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [packed] = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' })) as [{ filename: string }];
  return { path: join(folder, packed.filename), [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Installs the package into an empty folder, with `others` in the versions that this repository has of them. */
export function outside({ path }: PackedPackage, others: readonly string[] = []): Outside {
  const folder = mkdtempSync(join(tmpdir(), 'kib-outside-'));
  const home = join(folder, 'home');
  mkdirSync(home);
  const env = { ...process.env, NO_COLOR: '1', XDG_STATE_HOME: join(home, 'state'), XDG_CACHE_HOME: join(home, 'cache') };
  const run: Outside['run'] = (program, args) => {
    try {
      return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env });
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
      throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
    }
  };
  writeFileSync(join(folder, 'package.json'), '{"name":"consumer","private":true,"type":"module"}');
  run('npm', ['install', '--no-audit', '--no-fund', '--omit=dev', path, ...others.map((name) => `${name}@${versionOf(name)}`)]);
  return { folder, home, run, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Copies a folder of the repository to the same place in the other one. */
export function bring({ folder }: Outside, path: string): void {
  cpSync(join(root, path), join(folder, path), { recursive: true });
}

function versionOf(name: string): string {
  const manifest = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
