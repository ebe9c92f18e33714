import { describe, expect, it } from 'vitest';
import { type PlannedAction, Secret, sh } from '../../src/core/index.ts';
import { actionStep, type ScriptAction } from '../../src/engine/action-steps.ts';
import { aptWrapper } from '../../src/engine/package-cache/apt-wrapper.ts';
import { dnfWrapper } from '../../src/engine/package-cache/dnf-wrapper.ts';
import { composeScript } from '../../src/engine/script.ts';
import { expectGolden } from '../support/golden.ts';
import { syntaxErrors } from '../support/shell.ts';

const url = 'https://example.org/tool-1.0';
const common = { recipe: 'demo', title: 'x' };
const ACTIONS: readonly (PlannedAction & ScriptAction)[] = [
  { ...common, id: 'demo/1', kind: 'exec', script: sh`apt-get update`, timeoutMs: 60_000, attempts: 3, packages: true },
  { ...common, id: 'demo/2', kind: 'exec', script: sh`echo ${new Secret('token', "it's")}`, timeoutMs: 1500 },
  {
    ...common,
    id: 'demo/3',
    kind: 'put',
    content: { kind: 'text', text: 'a = 1\n' },
    path: '/etc/demo.conf',
    mode: '0644',
    owner: 'root:root',
  },
  {
    ...common,
    id: 'demo/4',
    kind: 'put',
    content: { kind: 'download', url },
    path: "/opt/it's/tool",
    mode: '0755',
    owner: 'root:root',
  },
];
const staged = new Map([[url, '/var/tmp/kib-1']]);
const packageWrapper = aptWrapper({ port: 40_000, token: 'c0ffee' });
const steps = ACTIONS.map((action) => actionStep(action, { staged, slowness: 2, packageWrapper }));

describe('the script of a layer', () => {
  for (const onFailure of ['stop', 'continue'] as const) {
    it(`that goes on to ${onFailure}`, () => {
      const script = composeScript(steps, { nonce: 'c0ffee', onFailure });
      expect(syntaxErrors(script)).toBe('');
      expectGolden(`fixtures/script/${onFailure}.sh.txt`, script);
    });
  }

  it('consists of scripts that every shell can read', () => {
    const wrappers = [packageWrapper, dnfWrapper({ port: 40_000, token: 'c0ffee' })];
    for (const script of [...steps.map((step) => step.script), ...wrappers]) expect(syntaxErrors(script.text)).toBe('');
  });
});
