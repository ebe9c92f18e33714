import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BuildPlan, KibError, Secret, type SecretRef, sh, systemClock } from '../../../src/core/index.ts';
import { hideInError } from '../../../src/engine/hide-secrets.ts';
import { readSecrets } from '../../../src/engine/secrets.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { recipe } from '../../support/house.ts';
import { resolvedImage } from '../../support/plan.ts';
import { workspace } from '../../support/workspace.ts';

function planOf(secrets: Readonly<Record<string, SecretRef>>): BuildPlan {
  const action = { kind: 'exec', title: 'log in', script: sh`true`, timeoutMs: 1000, secrets } as const;
  return planBuild(resolvedImage('debian13', {}, { registry: [recipe('subscribe', [action, action]), recipe('seal', [])] }));
}

async function read(
  secrets: Readonly<Record<string, SecretRef>>,
  sources: { readonly env?: Record<string, string>; readonly dir?: string; readonly signal?: AbortSignal } = {},
) {
  const { env = {}, dir = '/', signal = new AbortController().signal } = sources;
  return readSecrets(planOf(secrets), { env, dir }, { clock: systemClock, signal });
}

describe('readSecrets', () => {
  it('reads variables, files and what commands print', async () => {
    const dir = await workspace({ 'key.pem': 'line one\nline two\n' });
    const refs = {
      A: { env: 'TOKEN' },
      B: { file: 'key.pem' },
      C: { file: join(dir, 'key.pem') },
      D: { command: ['sh', '-c', 'pwd; echo $0', 'it'] },
    } as const;
    const secrets = await read(refs, { env: { TOKEN: 'hunter2' }, dir });
    expect(Object.values(refs).map((ref) => secrets.of(ref).reveal())).toEqual([
      'hunter2',
      'line one\nline two',
      'line one\nline two',
      `${dir}\nit`,
    ]);
    expect(secrets.all).toHaveLength(4);
  });

  it('asks once for what is used twice', async () => {
    const dir = await workspace();
    const command = ['sh', '-c', 'echo x >>count; echo secret'];
    await read({ A: { command }, B: { command } }, { dir });
    expect(readFileSync(join(dir, 'count'), 'utf8')).toBe('x\n');
  });

  it('names everything that is missing at once, and what needs it', async () => {
    const error: unknown = await read(
      {
        A: { env: 'NOT_SET' },
        B: { file: 'gone' },
        C: { command: ['sh', '-c', 'echo no pass >&2; exit 3'] },
        D: { env: 'EMPTY' },
      },
      { env: { EMPTY: '' } },
    ).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: 'KIB_SECRET_MISSING', class: 'environment', hint: 'export NOT_SET=…' });
    const { message } = error as KibError;
    for (const part of [
      'cannot read 4 secrets',
      'the environment variable NOT_SET is not set (A of subscribe/1, A of subscribe/2)',
      'the file gone does not exist (B of subscribe/1',
      'what sh prints sh exited with 3: no pass',
      'the environment variable EMPTY is empty',
    ])
      expect(message).toContain(part);
  });

  it('refuses what no variable can hold', async () => {
    const dir = await workspace({ zero: 'a\0b', long: 'x'.repeat(200_000) });
    await expect(read({ A: { file: 'zero' } }, { dir })).rejects.toThrow('zero byte');
    await expect(read({ A: { file: 'long' } }, { dir })).rejects.toThrow('larger than');
  });

  it('ends with the signal, not with an error of the command', async () => {
    const controller = new AbortController();
    const reading = read({ A: { command: ['sleep', '60'] } }, { signal: controller.signal });
    controller.abort(new KibError('KIB_CANCELLED', 'enough'));
    await expect(reading).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
  });

  it('has no secret that no action asked for', async () => {
    const secrets = await read({});
    expect(() => secrets.of({ env: 'X' })).toThrow('not read before the build');
  });

  it('leaves plans and keys to the reference', () => {
    const keyOf = (secrets: Readonly<Record<string, SecretRef>>) => planOf(secrets).layers.at(-1)?.key;
    expect(keyOf({ A: { env: 'X' } })).toBe(keyOf({ A: { env: 'X' } }));
    expect(keyOf({ A: { env: 'X' } })).not.toBe(keyOf({ A: { env: 'Y' } }));
    expect(planOf({ A: { env: 'X' } }).layers.at(-1)?.actions[0]).toMatchObject({ secrets: { A: { env: 'X' } } });
  });
});

describe('hideInError', () => {
  const secrets = [new Secret('x', 'hunter2')];

  it('hides values in every part of an error', () => {
    const cause = new Error('cause hunter2', { cause: new Error('deeper hunter2') });
    const error = new KibError('KIB_HTTP', 'no hunter2', { hint: 'hunter2?', details: { lines: ['a hunter2', 1] }, cause });
    error.suppressed.push(new Error('also hunter2'));
    const told = hideInError(error, secrets) as KibError;
    expect(told).toMatchObject({ code: 'KIB_HTTP', message: 'no ***', hint: '***?', details: { lines: ['a ***', 1] } });
    const texts = [
      told.stack,
      (told.cause as Error).stack,
      ((told.cause as Error).cause as Error).message,
      String(told.suppressed),
    ];
    expect(texts.join()).not.toContain('hunter2');
    expect(texts.join()).toContain('deeper ***');
  });

  it('leaves an error alone that holds none', () => {
    const error = new TypeError('fine');
    expect(hideInError(error, secrets)).toBe(error);
    expect(hideInError(error, [])).toBe(error);
  });
});
