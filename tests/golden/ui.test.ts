import { expect, it } from 'vitest';
import { createUi, renderReport, type Ui } from '../../src/ui/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { expectGolden } from '../support/golden.ts';
import { Screen } from '../support/screen.ts';
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

it('the report of a build that nothing had changed for, made of something old', () => {
  const unchanged = { ...REPORTED, isUnchanged: true, builtAt: '2025-12-24T18:30:00.000Z', phases: [], ms: 900 };
  const notes = ['deb.example cannot be reached; the package repository may have changed since last seen 3 days ago'];
  expectGolden('ui/report-unchanged.txt', renderReport(unchanged, { colour: false, notes }));
});

/** Three builds, two at once: the second one fails, the third begins when it has. */
const TITLES = ['debian13', 'rocky10', 'long-image-name'];

async function playThree(ui: Ui, clock: FakeClock): Promise<void> {
  const start = (name: string, failing: boolean) => {
    const id = `20260101-000000-${name}-4f2a`;
    const build = scriptedBuild(clock, { id, name, failing });
    ui.add(id, name);
    build.events.subscribe((event) => ui.read(event));
    return build.play();
  };
  const [first = '', second = '', third = ''] = TITLES;
  await Promise.all([start(first, false), start(second, true).then(() => start(third, false))]);
}

it.each([
  ['plain-three.txt', false],
  ['plain-three-colour.txt', true],
])('%s: three builds, two at once', async (file, colour) => {
  const clock = new FakeClock();
  let stderr = '';
  const ui = createUi({
    mode: 'plain',
    stdout: { write: () => expect.unreachable('people are talked to on stderr') },
    stderr: { write: (text) => (stderr += text) },
    verbose: false,
    colour,
    clock,
    titles: TITLES,
  });
  await clock.run(playThree(ui, clock));
  ui.close();
  expectGolden(`ui/${file}`, stderr.replaceAll('\u001b', '<ESC>'));
});

it.each([
  ['tty-three.txt', { columns: 80, rows: 24, seconds: 15 }],
  ['tty-three-narrow.txt', { columns: 34, rows: 24, seconds: 35 }],
  ['tty-three-low.txt', { columns: 80, rows: 5, seconds: 35 }],
])('%s: three builds, two at once, now and then', async (file, size) => {
  const clock = new FakeClock();
  const screen = new Screen(size.columns);
  const ui = createUi({
    mode: 'tty',
    stdout: screen,
    stderr: screen,
    verbose: false,
    columns: () => size.columns,
    rows: () => size.rows,
    colour: false,
    clock,
    titles: TITLES,
  });
  const state = { isDone: false };
  const playing = playThree(ui, clock).finally(() => {
    state.isDone = true;
  });
  const frames: string[] = [];
  while (!state.isDone) {
    frames.push(`--- ${frames.length * size.seconds} s\n${screen.text}\n`);
    await clock.advance(size.seconds * 1000);
  }
  await playing;
  ui.close();
  expectGolden(`ui/${file}`, `${frames.join('')}--- end\n${screen.text}\n`);
});
