import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { claimName, hasLiveClaim, isClaimAlive, liveClaims } from '../../../src/io/claim.ts';

const { signal } = new AbortController();
/** Above PID_MAX_LIMIT of proc(5). */
const DEAD = `${2 ** 22 + 1}-0123456789ab-aaaaaaaa`;
/** This pid, but another process that had it before. */
const EARLIER = `${process.pid}-0123456789ab-bbbbbbbb`;

async function folder(...names: readonly string[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kib-claim-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const name of names) await writeFile(join(dir, name), '');
  return dir;
}

it('counts the claims of the living, and removes those of the dead', async () => {
  const own = await claimName(signal);
  const dir = await folder(`a-b.pin-${own}`, `a-b.lock-${DEAD}`, `c.pin-${EARLIER}`, 'something else');
  expect(await liveClaims(dir, signal)).toEqual(new Set(['a-b.pin']));
  expect((await readdir(dir)).sort()).toEqual([`a-b.pin-${own}`, 'something else']);
  expect(await liveClaims(join(dir, 'missing'), signal)).toEqual(new Set());
});

it('looks for one kind of claim on one thing', async () => {
  const own = await claimName(signal);
  const dir = await folder(`x.pin-${own}`, `x.lock-${DEAD}`, `y.lock-${own}`);
  expect(await hasLiveClaim(join(dir, 'x.pin-'), undefined, signal)).toBe(true);
  expect(await hasLiveClaim(join(dir, 'x.pin-'), `x.pin-${own}`, signal)).toBe(false);
  expect(await hasLiveClaim(join(dir, 'x.lock-'), undefined, signal)).toBe(false);
  expect((await readdir(dir)).sort()).toEqual([`x.pin-${own}`, `y.lock-${own}`]);
});

it('tells this process from an earlier one with its pid', async () => {
  expect(await isClaimAlive(await claimName(signal), signal)).toBe(true);
  expect(await isClaimAlive(EARLIER, signal)).toBe(false);
  expect(await isClaimAlive(DEAD, signal)).toBe(false);
  expect(await claimName(signal, '0a')).toBe(await claimName(signal, '0a'));
});
