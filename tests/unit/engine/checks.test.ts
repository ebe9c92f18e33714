import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, type Expectation, type Sh, sh, systemClock } from '../../../src/core/index.ts';
import { judge, requireChecks, runChecks } from '../../../src/engine/checks.ts';
import { Guest } from '../../../src/engine/guest.ts';
import { connectSsh } from '../../../src/transport/ssh.ts';
import { startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { RecordingSpan } from '../../support/test-context.ts';

let server: TestSshServer;
let guest: Guest;
let span: RecordingSpan;
const { signal } = new AbortController();

beforeEach(async () => {
  server = await startSshServer();
  span = new RecordingSpan();
  const connect = (signal: AbortSignal) =>
    connectSsh(server.endpoint, server.credentials, { signal, clock: systemClock, readyTimeoutMs: 5000 });
  guest = await Guest.connect({ connect, clock: systemClock, slowness: 1 }, signal);
});
afterEach(async () => {
  await guest[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const check = (name: string, script: Sh, expect: Expectation, more: Partial<Check> = {}): Check => ({
  name,
  title: `title of ${name}`,
  script,
  expect,
  when: ['build'],
  ...more,
});
const run = (...checks: readonly Check[]) => runChecks(guest, checks, { when: 'build', span, signal });

describe('runChecks', () => {
  it('runs all of this moment in one round trip, and goes on after a failure', async () => {
    const results = await run(
      check('a', sh`echo active`, { kind: 'equals', text: 'active' }),
      check('b', sh`echo broken >&2; exit 3`, { kind: 'success' }),
      check('later', sh`true`, { kind: 'success' }, { when: ['boot'] }),
      check('c', sh`echo v1.36.1; echo noise >&2`, { kind: 'matches', pattern: String.raw`^v1\.36\.` }),
    );
    expect(results.map(({ name, ok, detail }) => ({ name, ok, detail }))).toEqual([
      { name: 'a', ok: true, detail: 'active' },
      { name: 'b', ok: false, detail: 'wanted success, got exit code 3: broken' },
      { name: 'c', ok: true, detail: 'v1.36.1' },
    ]);
    expect(server.commands).toHaveLength(1);
    expect(span.events).toEqual(results.map((result) => ({ type: 'check', result })));
  });

  it('ends a check that takes too long', async () => {
    const [result] = await run(check('slow', sh`sleep 30`, { kind: 'success' }, { timeoutMs: 1000 }));
    expect(result).toMatchObject({ ok: false, detail: 'took too long' });
  });

  it('asks nothing when there is nothing to check', async () => {
    expect(await run()).toEqual([]);
    expect(server.commands).toEqual([]);
  });

  it('throws when the connection breaks', async () => {
    const work = run(check('a', sh`sleep 3`, { kind: 'success' }));
    setTimeout(() => server.drop(), 100);
    await expect(work).rejects.toMatchObject({ code: 'KIB_SSH_LOST' });
  });
});

describe('judge', () => {
  const seen = { stdout: '', stderr: '', exitCode: 0, isTimeout: false };

  it.each<[Expectation, Partial<typeof seen>, boolean, string]>([
    [{ kind: 'success' }, {}, true, ''],
    [{ kind: 'success' }, { exitCode: 1 }, false, 'wanted success, got exit code 1'],
    [{ kind: 'equals', text: 'yes' }, { stdout: 'no' }, false, 'wanted "yes", got "no"'],
    [{ kind: 'equals', text: 'yes' }, {}, false, 'wanted "yes", got nothing'],
    [{ kind: 'equals', text: '' }, {}, true, ''],
    [{ kind: 'matches', pattern: '^b$' }, { stdout: 'a\nb' }, true, 'a'],
    [{ kind: 'matches', pattern: '^b$' }, { stdout: 'a' }, false, 'wanted a match of /^b$/, got "a"'],
    [{ kind: 'equals', text: 'yes' }, { stdout: 'yes', exitCode: 2 }, false, 'wanted "yes", got exit code 2: yes'],
  ])('%j of %j', (expectation, observed, ok, detail) => {
    expect(judge(expectation, { ...seen, ...observed })).toEqual({ ok, detail });
  });
});

describe('requireChecks', () => {
  const result = { title: 't', detail: 'd', ms: 1 };

  it('names every failed check', () => {
    const results = [
      { ...result, name: 'a', ok: false },
      { ...result, name: 'b', ok: true },
      { ...result, name: 'c', ok: false },
    ];
    expect(() => requireChecks(results, 'the finished image', 'look')).toThrow(
      'the finished image failed 2 of 3 checks:\n  a: t: d\n  c: t: d',
    );
  });

  it('is content when none failed', () => {
    expect(() => requireChecks([{ ...result, name: 'a', ok: true }], 'x', 'look')).not.toThrow();
  });
});
