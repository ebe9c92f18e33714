import { expect, it } from 'vitest';
import { createUi } from '../../../src/ui/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it.each([
  ['plain', '00:00:00Z SIGINT: cleaning up\n'],
  ['json', 'SIGINT: cleaning up\n'],
] as const)('%s: words of the caller go to people, not into results', (mode, text) => {
  let stderr = '';
  const ui = createUi({
    mode,
    stdout: { write: () => expect.unreachable('stdout is for results') },
    stderr: { write: (more) => (stderr += more) },
    verbose: false,
    colour: false,
    clock: new FakeClock(),
  });
  ui.say('SIGINT: cleaning up');
  ui.suspend()();
  ui.close();
  expect(stderr).toBe(text);
});

it('plain: why a layer is made', () => {
  let stderr = '';
  const ui = createUi({
    mode: 'plain',
    stdout: { write: () => expect.unreachable('stdout is for results') },
    stderr: { write: (more) => (stderr += more) },
    verbose: false,
    colour: false,
    clock: new FakeClock(),
  });
  const event = { v: 1, seq: 1, time: '2026-01-01T00:00:00.000Z', build: 'b', span: 1 } as const;
  ui.read({ ...event, type: 'cache.miss', layer: 'node', reason: 'node/3 differs', diff: ['- old', '+ new\u001b[2J'] });
  ui.close();
  const lines = ['layer node is made anew: node/3 differs', '  - old', '  + new'];
  expect(stderr).toBe(lines.map((line) => `00:00:00Z ${line}\n`).join(''));
});
