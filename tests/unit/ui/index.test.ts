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
