import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PackageSetup } from '../../../src/core/index.ts';
import { changeRpmSources, restoreRpmSources } from '../../../src/plan/rpm-sources.ts';
import { scriptsOf } from '../../support/plan.ts';

const ROCKY = `# rocky.repo
[baseos]
name=Rocky Linux $releasever - BaseOS
mirrorlist=https://mirrors.example.org/mirrorlist?arch=$basearch&repo=BaseOS-$releasever
#baseurl=http://dl.example.org/$contentdir/$releasever/BaseOS/$basearch/os/
gpgcheck=1
enabled=1

[baseos-debuginfo]
name=Rocky Linux $releasever - BaseOS - Debug
metalink=https://mirrors.example.org/metalink
enabled = 0
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kib-repos-'));
  writeFileSync(join(folder, 'rocky.repo'), ROCKY);
  writeFileSync(join(folder, 'bare.repo'), '[bare]\nname=Bare\nbaseurl=http://example.org/\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

const play = (actions: ReturnType<typeof changeRpmSources>) => {
  for (const { text } of scriptsOf(actions)) execFileSync('/bin/sh', ['-eu', '-c', text], { stdio: ['ignore', 'pipe', 'pipe'] });
};
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const url = 'https://mirror.example.org/$releasever/BaseOS/$basearch/os/?a=1&b=2';

describe('sources of rpm package managers', () => {
  it('turns every repository off, and back to what it was', () => {
    const setup: PackageSetup = { disabled: true, keep: false, upgrade: false };
    play(changeRpmSources(folder, setup));
    expect(read('rocky.repo').match(/^enabled=.$/gm)).toEqual(['enabled=0', 'enabled=0']);
    expect(read('rocky.repo')).not.toMatch(/enabled ?= ?1/);
    expect(read('bare.repo')).toContain('[bare]\nenabled=0\n');
    play(restoreRpmSources(folder, setup));
    expect(read('rocky.repo')).toBe(ROCKY);
    expect(readdirSync(folder).sort()).toEqual(['bare.repo', 'rocky.repo']);
  });

  it('reads one repository from elsewhere and leaves the others', () => {
    const setup: PackageSetup = { baseurls: { baseos: url }, keep: true, upgrade: false };
    play(changeRpmSources(folder, setup));
    const [first = '', second = ''] = read('rocky.repo').split('[baseos-debuginfo]');
    expect(first).toContain(`[baseos]\nbaseurl=${url}\n`);
    expect(first).not.toMatch(/^mirrorlist/m);
    expect(second).toContain('metalink=https://mirrors.example.org/metalink');
    expect(read('bare.repo')).toBe('[bare]\nname=Bare\nbaseurl=http://example.org/\n');
    play(restoreRpmSources(folder, setup));
    expect(read('rocky.repo')).toContain(url);
    expect(readdirSync(folder).sort()).toEqual(['bare.repo', 'rocky.repo']);
  });

  it('refuses a repository that the base does not have', () => {
    const setup: PackageSetup = { baseurls: { appstream: url }, keep: true, upgrade: false };
    expect(() => play(changeRpmSources(folder, setup))).toThrow('the base has no repository appstream');
  });
});
