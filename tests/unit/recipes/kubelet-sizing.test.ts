import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SIZING_SCRIPT } from '../../../recipes/kubernetes-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'kib-sizing-'));
const script = join(folder, 'sizing');
writeFileSync(script, SIZING_SCRIPT);
afterAll(() => rmSync(folder, { recursive: true }));

function size(target: string, mib: number, cpus: number): string | undefined {
  execFileSync('sh', [script, target, String(mib), String(cpus)]);
  return existsSync(target) ? readFileSync(target, 'utf8') : undefined;
}

describe('kubelet-resource-sizing', () => {
  // Worked out by hand from Google Kubernetes Engine's documentation.
  it.each([
    [512, 1, 255, 60],
    [2048, 2, 512, 70],
    [4096, 2, 1024, 70],
    [8192, 4, 1844, 80],
    [16_384, 8, 2663, 90],
    [131_072, 32, 9544, 150],
    [262_144, 64, 12_166, 230],
  ])('of %i MiB and %i CPUs it reserves %i MiB and %im', (mib, cpus, memory, millis) => {
    const text = size(join(folder, `${mib}`, 'sizing.conf'), mib, cpus);
    expect(text).toContain('kind: KubeletConfiguration\n');
    expect(text).toMatch(new RegExp(`^ {2}cpu: ${millis}m\n {2}memory: ${memory}Mi$`, 'm'));
  });

  it('measures the machine it runs on', () => {
    const target = join(folder, 'own', 'sizing.conf');
    execFileSync('sh', [script, target]);
    expect(readFileSync(target, 'utf8')).toMatch(/^ {2}cpu: [1-9]\d+m\n {2}memory: [1-9]\d+Mi$/m);
  });

  it('leaves the field alone, also its own of an earlier boot, once somebody else sets it', () => {
    const target = join(folder, 'other', 'sizing.conf');
    expect(size(target, 2048, 2)).toBeDefined();
    writeFileSync(join(folder, 'other', '10-mine.conf'), '{"systemReserved": {"cpu": "1"}}');
    expect(size(target, 2048, 2)).toBeUndefined();
  });
});
