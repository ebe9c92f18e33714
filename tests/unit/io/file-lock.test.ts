import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withFileLock } from '../../../src/io/file-lock.ts';
import { hurriedClock } from '../../support/http-server.ts';
import { MemoryJournal } from '../../support/test-context.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kib-lock-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const options = () => ({ clock: hurriedClock(), signal: new AbortController().signal, journal: new MemoryJournal() });

describe('withFileLock', () => {
  it('lets one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const journal = new MemoryJournal();
    let waits = 0;
    await Promise.all(
      Array.from({ length: 8 }, () =>
        withFileLock(join(dir, 'x'), { ...options(), journal, onWait: () => waits++ }, async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setTimeout(resolve, 5));
          inside--;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(waits).toBeGreaterThanOrEqual(7);
    expect(await readdir(dir)).toEqual([]);
    expect(journal.held).toEqual([]);
  });

  it('does not wait for the lock of another file', async () => {
    await withFileLock(join(dir, 'x'), options(), () => withFileLock(join(dir, 'xy'), options(), async () => undefined));
    expect(await readdir(dir)).toEqual([]);
  });

  it('lets go when the work fails', async () => {
    const failing = withFileLock(join(dir, 'x'), options(), () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await readdir(dir)).toEqual([]);
  });

  it('ignores the claims of the dead and of a later process with the same pid', async () => {
    const child = spawn('true');
    await new Promise((resolve) => child.once('close', resolve));
    await writeFile(join(dir, `x.lock-${child.pid}-0123456789ab-aaaaaaaa`), '');
    await writeFile(join(dir, `x.lock-${process.pid}-0123456789ab-bbbbbbbb`), '');
    await withFileLock(join(dir, 'x'), options(), async () => {
      expect(await readdir(dir)).toHaveLength(1);
    });
    expect(await readdir(dir)).toEqual([]);
  });

  it('stops waiting when aborted, and leaves no claim', async () => {
    const abort = new AbortController();
    await withFileLock(join(dir, 'x'), options(), async () => {
      const waiting = withFileLock(
        join(dir, 'x'),
        { ...options(), signal: abort.signal, onWait: () => abort.abort() },
        async () => 1,
      );
      await expect(waiting).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    });
    expect(await readdir(dir)).toEqual([]);
  });
});
