import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  exports: Record<string, unknown>;
};
let folder: string;

const inFolder = (program: string, args: readonly string[]) =>
  execFileSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });

describe('the packed package in an empty folder', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'kib-pack-'));
    const [packed] = JSON.parse(
      execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8' }),
    ) as [{ filename: string }];
    writeFileSync(join(folder, 'package.json'), '{"name":"consumer","private":true,"type":"module"}');
    inFolder('npm', ['install', '--no-audit', '--no-fund', '--omit=dev', join(folder, packed.filename)]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('runs through npx', () => {
    expect(inFolder('npx', ['kib-native', '--version']).trim()).toBe(manifest.version);
    expect(inFolder('npx', ['kib-native', 'list'])).toContain('rocky10');
  });

  it('plans a Rocky 10 build', () => {
    const plan = inFolder('npx', ['kib-native', 'plan', 'rocky10', '--driver', 'qemu']);
    expect(plan).toContain('qemu-system-x86_64');
    expect(plan).toMatch(/rockylinux\.org\/\S+\.qcow2/);
  });

  it('exports every subpath it promises', () => {
    const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');
    const script = subpaths.map((subpath) => `await import('kib-native${subpath.slice(1)}');`).join('\n');
    writeFileSync(join(folder, 'imports.mjs'), script);
    expect(() => inFolder('node', ['imports.mjs'])).not.toThrow();
  });

  it('holds no tests, sources or scratch files', () => {
    const files = inFolder('tar', ['-tzf', `kib-native-${manifest.version}.tgz`])
      .trim()
      .split('\n');
    expect(files.filter((file) => !/^package\/(dist|docs)\/|^package\/(package\.json|README\.md|LICENSE)$/.test(file))).toEqual(
      [],
    );
  });
});
