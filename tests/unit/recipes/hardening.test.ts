import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Control } from '../../../recipes/hardening/control.ts';
import { CONTROLS } from '../../../recipes/hardening/index.ts';
import { modesAre, setModes } from '../../../recipes/hardening/observe.ts';
import { hardening } from '../../../recipes/hardening.ts';
import { kubernetesSchema, type RecipeContext } from '../../../src/core/index.ts';
import { sabotagesOf } from '../../support/hardening/sabotage.ts';
import { SPECIAL } from '../../support/hardening/special.ts';
import { osOf } from '../../support/plan.ts';

const context: RecipeContext = {
  os: osOf('debian13'),
  arch: 'amd64',
  driver: 'qemu',
  formats: ['qcow2'],
  kubernetes: kubernetesSchema.parse({}),
  recipes: ['node', 'kubernetes', 'hardening', 'seal'],
};

function idsOf(params: Record<string, unknown>, of: Partial<RecipeContext> = {}): readonly string[] {
  const checks = hardening.checks?.({ ...context, ...of }, hardening.params.parse(params)) ?? [];
  return checks.map(({ name }) => name.replace('hardening/', ''));
}

function textOf(params: Record<string, unknown>, of: Partial<RecipeContext> = {}): string {
  return JSON.stringify(hardening.steps({ ...context, ...of }, hardening.params.parse(params)));
}

describe('controls', () => {
  it('have ids of their own, a benchmark with its version, and a script that looks', () => {
    expect(new Set(CONTROLS.map(({ id }) => id)).size).toBe(CONTROLS.length);
    for (const { reference, check } of CONTROLS) {
      expect(reference).toMatch(/^CIS (Distribution Independent Linux 2\.0\.0|Kubernetes 1\.(12\.0|24)) \d+(\.\d+)+$/);
      expect(check({ os: context.os, banner: 'x\n' }).text).not.toBe('');
    }
  });

  it('can each be undone in a running machine, where the check of each has to name what was undone', () => {
    for (const control of CONTROLS)
      expect(
        sabotagesOf(control).flatMap(({ named }) => named),
        control.id,
      ).not.toEqual([]);
    expect(Object.keys(SPECIAL).filter((id) => CONTROLS.every((control) => control.id !== id))).toEqual([]);
    const stranger = { ...CONTROLS[0], id: 'linux-9.9', wants: { actions: () => [] } } as Control;
    expect(() => sabotagesOf(stranger)).toThrow('nobody says how to undo linux-9.9');
  });

  it('are those of the level and what is added, without what is skipped', () => {
    const one = idsOf({});
    const two = idsOf({ level: 2 });
    expect(two).toEqual(expect.arrayContaining([...one]));
    expect(two.filter((id) => !one.includes(id))).toEqual(
      CONTROLS.filter(({ level, off }) => level === 2 && off === undefined).map(({ id }) => id),
    );
    expect(idsOf({ add: ['linux-5.2.21'] }).filter((id) => !one.includes(id))).toEqual(['linux-5.2.21']);
    expect(idsOf({ skip: { 'linux-5.2.6': 'needed' } })).toEqual(one.filter((id) => id !== 'linux-5.2.6'));
  });

  it('of Kubernetes are for images with Kubernetes', () => {
    expect(idsOf({ level: 2 }, { kubernetes: undefined }).filter((id) => id.startsWith('kubernetes'))).toEqual([]);
    expect(textOf({ level: 2 }, { kubernetes: undefined })).not.toContain('kubelet.conf.d');
  });
});

describe('a hardened node', () => {
  it('still forwards, and leaves reverse-path filtering and SCTP to its network', () => {
    const text = textOf({ level: 2 });
    for (const setting of [
      'ip_forward',
      'rp_filter',
      'ipv6.conf.all.forwarding',
      'overlay',
      'sctp',
      'squashfs',
      'br_netfilter',
    ]) {
      expect(text).not.toContain(setting);
    }
    expect(textOf({ level: 2, add: ['linux-3.4.2'] })).toContain('sctp');
  });

  it('has nothing of a control that is skipped', () => {
    expect(textOf({ skip: { 'linux-5.2.19': 'no banner' } })).not.toContain('Banner ');
    expect(textOf({ skip: { 'kubernetes-4.2.12': 'old clients' } })).not.toContain('tlsCipherSuites');
  });

  it('keeps the key exchanges of a system-wide policy', () => {
    expect(textOf({}, { os: osOf('rocky10') })).not.toContain('KexAlgorithms');
    expect(idsOf({}, { os: osOf('rocky10') })).toContain('linux-5.2.15');
    expect(idsOf({}, { os: osOf('amazonlinux2') })).not.toContain('linux-5.2.15');
  });
});

it('refuses a skip without a reason', () => {
  expect(hardening.params.safeParse({ skip: { 'linux-5.2.6': '' } }).success).toBe(false);
});

describe('modes of files', () => {
  const run = (script: { readonly text: string }) => execFileSync('sh', ['-eu', '-c', script.text], { encoding: 'utf8' });
  const owner = execFileSync('sh', ['-c', 'echo "$(id -un):$(id -gn)"'], { encoding: 'utf8' }).trim();

  it.each([
    ['0666', '0644', '0644'],
    ['0640', '0600', '0600'],
    ['0400', '0644', '0400'],
    ['4755', '0755', '0755'],
  ])('%s is no wider than %s after it is set to %s', (before, mode, after) => {
    const folder = mkdtempSync(join(tmpdir(), 'kib-modes-'));
    try {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      chmodSync(path, Number.parseInt(before, 8));
      const modes = [{ path, mode, owners: [owner] }];
      expect(run(modesAre(modes))).toBe(before === after ? '' : `${path} has mode ${before.replace(/^0/, '')}\n`);
      run(setModes(modes));
      expect((statSync(path).mode & 0o7777).toString(8).padStart(4, '0')).toBe(after);
      expect(run(modesAre(modes))).toBe('');
      expect(run(modesAre([{ path, mode, owners: ['somebody:else'] }]))).toBe(`${path} belongs to ${owner}\n`);
      expect(run(modesAre([{ path: `${path}-gone`, mode, owners: ['somebody:else'] }]))).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
