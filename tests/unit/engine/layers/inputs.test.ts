import { describe, expect, it } from 'vitest';
import { type Layer, Secret, sh } from '../../../../src/core/index.ts';
import { recordedInputs } from '../../../../src/engine/layers/inputs.ts';
import { planBuild } from '../../../../src/plan/planner.ts';
import { resolvedImage } from '../../../support/plan.ts';

describe('recordedInputs', () => {
  it('holds what counts of every kind of action, whole, and no secret', () => {
    const action = { recipe: 'r', timeoutMs: 1000, title: 'a title' };
    const long = Array.from({ length: 50 }, (_, index) => `line ${index}`);
    const layer: Layer = {
      name: 'r',
      key: 'k',
      inputs: [
        { name: 'package repositories', digest: 'd0', text: 'a\nb' },
        ...['r/1', 'r/2', 'r/3', 'r/4'].map((name) => ({ name, digest: `d ${name}` })),
      ],
      actions: [
        {
          ...action,
          id: 'r/1',
          kind: 'exec',
          script: sh`
          login ${new Secret('password', 'hunter22')}
          use it
        `,
          attempts: 3,
        },
        {
          ...action,
          id: 'r/2',
          kind: 'put',
          content: { kind: 'text', text: `${long.join('\n')}\n` },
          path: '/f',
          mode: '0644',
          owner: 'root:root',
        },
        {
          ...action,
          id: 'r/3',
          kind: 'put',
          content: { kind: 'download', url: 'https://me:pw@h/x?t=1' },
          path: '/g',
          mode: '0755',
          owner: 'a:b',
        },
        { ...action, id: 'r/4', kind: 'reboot', unless: sh`test -e /x` },
      ],
    };
    expect(recordedInputs(layer)).toEqual([
      { name: 'package repositories', digest: 'd0', lines: ['a', 'b'] },
      { name: 'r/1', digest: 'd r/1', title: 'a title', lines: ['login ***', 'use it'] },
      { name: 'r/2', digest: 'd r/2', title: 'a title', lines: ['/f 0644 root:root', ...long] },
      { name: 'r/3', digest: 'd r/3', title: 'a title', lines: ['/g 0755 a:b, from https://***@h/x?***'] },
      { name: 'r/4', digest: 'd r/4', title: 'a title', lines: ['not when this succeeds', 'test -e /x'] },
    ]);
  });

  it('splits what a boot layer counts into one line per fact', () => {
    const [boot] = planBuild(resolvedImage('debian13')).layers;
    if (boot === undefined) throw new Error('no boot layer');
    const machine = recordedInputs(boot).find(({ name }) => name === 'machine');
    expect(machine?.lines).toContain('cpus: 2');
    expect(recordedInputs(boot).map(({ digest }) => digest)).toEqual(boot.inputs.map(({ digest }) => digest));
  });
});
