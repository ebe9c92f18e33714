import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert } from '../../src/io/qemu-img.ts';
import { bring, type Outside, outside, type PackedPackage, packPackage } from '../support/outside.ts';
import { root } from '../support/sources.ts';
import { hasTinyGuestWritten, TINY_GUEST_LINES, writeTinyGuest } from '../support/tiny-guest.ts';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  exports: Record<string, unknown>;
};
let packed: PackedPackage;
beforeAll(() => {
  packed = packPackage();
});
afterAll(() => packed[Symbol.dispose]());

describe('the packed package in an empty folder', () => {
  let user: Outside;
  beforeAll(() => {
    user = outside(packed);
  });
  afterAll(() => user[Symbol.dispose]());

  it('runs through npx', () => {
    expect(user.run('npx', ['kib-native', '--version']).trim()).toBe(manifest.version);
    expect(user.run('npx', ['kib-native', 'list'])).toContain('rocky10');
  });

  it('plans a Rocky 10 build', () => {
    const plan = user.run('npx', ['kib-native', 'plan', 'rocky10', '--driver', 'qemu']);
    expect(plan).toContain('qemu-system-x86_64');
    expect(plan).toMatch(/rockylinux\.org\/\S+\.qcow2/);
  });

  it('plans for EC2 without Amazon’s SDK, and names it when somebody needs it', () => {
    expect(existsSync(join(user.folder, 'node_modules/@aws-sdk'))).toBe(false);
    writeFileSync(join(user.folder, 'ec2.yaml'), 'image: ubuntu2404\ndriver: { name: ec2, region: eu-central-1 }\n');
    expect(user.run('npx', ['kib-native', 'list', 'drivers'])).toContain('ec2');
    expect(user.run('npx', ['kib-native', 'plan', 'ec2.yaml'])).toContain('ec2:RunInstances');
    writeFileSync(join(user.folder, 'disk.raw'), Buffer.alloc(1024 * 1024));
    const publish = ['kib-native', 'publish', 'ami', 'disk.raw', '--region', 'eu-central-1', '--name', 'base'];
    expect(() => user.run('npx', publish)).toThrow(/KIB_EC2_SDK[^]*npm install @aws-sdk/);
  });

  it('exports every subpath it promises', () => {
    const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');
    const script = subpaths.map((subpath) => `await import('kib-native${subpath.slice(1)}');`).join('\n');
    writeFileSync(join(user.folder, 'imports.mjs'), script);
    expect(() => user.run('node', ['imports.mjs'])).not.toThrow();
  });

  it('holds no tests, sources or scratch files', () => {
    const files = user.run('tar', ['-tzf', packed.path]).trim().split('\n');
    const wanted = /^package\/(dist|docs|examples)\/|^package\/(package\.json|README\.md|LICENSE)$/;
    expect(files.filter((file) => !wanted.test(file))).toEqual([]);
  });
});

describe('the examples beside the packed package, TypeScript and Vitest', () => {
  let user: Outside;
  beforeAll(() => {
    user = outside(packed, ['@types/node', 'typescript', 'vitest', 'zod']);
    bring(user, 'examples');
  });
  afterAll(() => user[Symbol.dispose]());

  it('are right by the types that the package has, and compile', () => {
    const compilerOptions = {
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
      rootDir: 'examples',
      outDir: 'out',
    };
    writeFileSync(join(user.folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['examples'] }));
    expect(user.run('npx', ['tsc'])).toBe('');
  });

  it('boot a disk with one driver alone and keep what it has become', async () => {
    await writeTinyGuest(join(user.folder, 'guest.img'));
    const said = user.run('node', ['out/embed-driver/boot.js', 'guest.img', TINY_GUEST_LINES[1], 'sealed.qcow2']);
    expect(said).toBe('sealed.qcow2\n');
    const source = { path: join(user.folder, 'sealed.qcow2'), format: 'qcow2' } as const;
    const target = join(user.folder, 'sealed.img');
    await convert({ source, target, targetFormat: 'raw', signal: new AbortController().signal });
    expect(hasTinyGuestWritten(readFileSync(target))).toBe(true);
    expect(readdirSync(join(user.home, 'cache/kib-native/work'))).toEqual([]);
  });

  it('hold a driver of somebody else to the contract', () => {
    const said = user.run('npx', ['vitest', 'run', '--dir', 'examples/own-driver']);
    // A driver without secrets has none to show.
    expect(said).toMatch(/Tests +\d\d passed \| 1 skipped \(\d\d\)/);
  });
});
