import { access, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSources, root } from '../support/sources.ts';

interface PackageJson {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
}

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as PackageJson;
const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly dev?: boolean;
        readonly optional?: boolean;
        readonly engines?: { readonly node?: string };
        readonly optionalDependencies?: Readonly<Record<string, string>>;
      }
    >
  >;
};

describe('package.json', () => {
  it('exports only what the sources hold', async () => {
    const targets = [
      ...Object.values(manifest.bin),
      ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry))),
    ];
    const files = targets.map((target) =>
      target
        .replace('./dist/', '')
        .replace(/^dist\//, '')
        .replace(/(\.d)?\.[jt]s$/, '.ts'),
    );
    const lost = await Promise.all(
      files.map(async (file) => {
        try {
          await access(join(root, file));
          return [];
        } catch {
          return [file];
        }
      }),
    );
    expect(lost.flat()).toEqual([]);
  });

  it('declares every package that the sources import, and no other', async () => {
    const sources = await readSources(['bin', 'src', 'drivers', 'recipes', 'cloudinit']);
    const imported = new Set(
      sources
        .flatMap(({ imports }) =>
          imports.filter(({ isOurs, target }) => !isOurs && !isBuiltin(target)).map(({ target }) => packageOf(target)),
        )
        .sort(),
    );
    const peers = Object.keys(manifest.peerDependencies ?? {});
    expect([...imported].filter((name) => !peers.includes(name))).toEqual(Object.keys(manifest.dependencies).sort());
  });

  // Who builds on QEMU installs no SDK of Amazon, and waits for none to load.
  it('loads packages that are optional only where they are needed', async () => {
    const sources = await readSources(['bin', 'src', 'drivers', 'recipes', 'cloudinit']);
    const uses = sources.flatMap(({ path, imports }) => imports.map((one) => ({ path, ...one, name: packageOf(one.target) })));
    const optional = Object.keys(manifest.peerDependencies ?? {});
    const ofOptional = uses.filter(({ isOurs, name }) => !isOurs && optional.includes(name));
    expect(ofOptional.filter(({ isType, isLazy }) => !isType && !isLazy)).toEqual([]);
    expect(ofOptional.filter(({ isLazy, name }) => isLazy && name.startsWith('@aws-sdk/')).length).toBeGreaterThan(2);
  });

  it('depends on nothing that needs a newer Node than it promises', () => {
    const [major = 0, minor = 0] = manifest.engines.node.match(/\d+/g)?.map(Number) ?? [];
    const tooNew = Object.entries(lock.packages)
      .filter(([path, { dev, optional }]) => path !== '' && dev !== true && optional !== true)
      .filter(([, { engines }]) => !runsOn(engines?.node ?? '*', major, minor))
      .map(([path, { engines }]) => `${path} wants Node ${engines?.node}`);
    expect(tooNew).toEqual([]);
  });

  // npm ci refuses such a lock file; a registry that lacks another platform's binaries makes npm install write one.
  it('locks the binaries of every platform, not only of the one it was written on', () => {
    const wanted = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));
    expect(wanted.filter((name) => lock.packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });
});

function isBuiltin(name: string): boolean {
  return name.startsWith('node:') || builtinModules.includes(name);
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Whether a range such as `^18.19.0 || >=20.5.0` lets this version in. */
function runsOn(range: string, major: number, minor: number): boolean {
  return range.split('||').some((part) => {
    const [, operator = '', wantedMajor = '0', wantedMinor = '0'] = /^\s*([\^~>=]*)\s*v?(\d+)?(?:\.(\d+))?/.exec(part) ?? [];
    const isAtLeast = major > Number(wantedMajor) || (major === Number(wantedMajor) && minor >= Number(wantedMinor));
    return operator.startsWith('>') || part.trim() === '*' ? isAtLeast : isAtLeast && major === Number(wantedMajor);
  });
}
