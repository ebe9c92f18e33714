import { expect, it } from 'vitest';
import { createUi, renderReport } from '../../src/ui/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { expectGolden } from '../support/golden.ts';
import { REPORTED, scriptedBuild } from '../support/scripted-build.ts';

async function play(mode: 'plain' | 'json', options: { verbose?: boolean; failing?: boolean } = {}) {
  const clock = new FakeClock();
  const build = scriptedBuild(clock, options);
  let stdout = '';
  let stderr = '';
  const ui = createUi({
    mode,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    verbose: options.verbose ?? false,
    colour: false,
    clock,
  });
  build.events.subscribe((event) => ui.read(event));
  await clock.run(build.play());
  ui.close();
  return { stdout, stderr };
}

it('plain: a build that works', async () => {
  const { stdout, stderr } = await play('plain');
  expect(stdout).toBe('');
  expectGolden('ui/plain.txt', stderr);
});

it('plain: with every log line', async () => {
  expectGolden('ui/plain-verbose.txt', (await play('plain', { verbose: true })).stderr);
});

it('plain: a build that fails', async () => {
  expectGolden('ui/plain-failed.txt', (await play('plain', { failing: true })).stderr);
});

it('json: the events, one per line', async () => {
  const { stdout, stderr } = await play('json', { failing: true });
  expect(stderr).toBe('');
  expectGolden('ui/events.ndjson', stdout);
});

it('the report', () => {
  expectGolden('ui/report.txt', renderReport(REPORTED, { colour: false }));
});

it('the report of a build that was not verified', () => {
  expectGolden('ui/report-unverified.txt', renderReport({ ...REPORTED, isVerified: false, checks: [] }, { colour: false }));
});
