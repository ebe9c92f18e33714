import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isKibError, sh } from '../../../src/core/index.ts';
import { collectGarbage } from '../../../src/engine/gc.ts';
import {
  bad,
  exec,
  expectNothingLeft,
  fakePrograms,
  house,
  journalOf,
  list,
  newHouse,
  type Outcome,
  recipe,
} from '../../support/house.ts';

beforeAll(fakePrograms);

describe('a build that is interrupted', () => {
  it('is cancelled and never keeps the machine', async () => {
    const home = await newHouse({ recipes: [recipe('demo', [exec('wait', sh`sleep 60`)])], onError: 'keep' });
    const outcome = await home.run((handle) => {
      handle.subscribe((event) => {
        if (event.type === 'span.start' && event.kind === 'action') home.controller.abort('SIGINT');
      });
    });
    expect(outcome.error).toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: SIGINT' });
    expect(outcome.events.at(-1)).toMatchObject({ type: 'span.end', status: 'cancelled' });
    await expectNothingLeft(home, outcome);
  });

  it('does nothing when that was before it began', async () => {
    const home = await newHouse();
    home.controller.abort('SIGTERM');
    const outcome = await home.run();
    expect(outcome.error).toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: SIGTERM' });
    expect(home.steps).not.toContain('launch');
    await expectNothingLeft(home, outcome);
  });

  it('leaves nothing, at whichever step', async () => {
    const whole = await newHouse();
    expect((await whole.run()).error).toBeUndefined();
    const count = whole.steps.length;
    expect(count).toBeGreaterThan(50);
    const trials = Array.from({ length: count + 5 }, (_, index) => index + 1);
    const outcomes = await inBatches(trials, 8, async (abortAt) => {
      await using home = await house({ abortAt });
      const outcome = await home.run();
      try {
        await expectNothingLeft(home, outcome);
        if (outcome.result === undefined) expectCancelled(outcome);
        return outcome;
      } catch (error) {
        throw new Error(`aborted at step ${abortAt}, ${home.steps[abortAt - 1]}: ${String(error)}`, { cause: error });
      }
    });
    // Only the last steps come too late: the image is published, what is left is to clean up.
    const late = outcomes.filter(({ result }) => result !== undefined).length;
    expect(late).toBeGreaterThan(0);
    expect(late).toBeLessThan(count / 3);
  }, 60_000);

  it('keeps what it failed of meanwhile', async () => {
    const home = await newHouse({ recipes: [bad] });
    const outcome = await home.run((handle) => {
      handle.subscribe((event) => {
        if (event.type === 'span.start' && event.kind === 'cleanup') home.controller.abort('SIGINT');
      });
    });
    expect(outcome.error).toMatchObject({ code: 'KIB_CANCELLED', suppressed: [{ code: 'KIB_ACTION_FAILED' }] });
  });
});

describe('cleaning up', () => {
  it('that fails fails a build that worked, names what is left, and leaves it to gc', async () => {
    const home = await newHouse({ breakAt: 'dispose' });
    const { id, error, events } = await home.run();
    expect(error).toMatchObject({ code: 'KIB_LEAKED', exitCode: 10, hint: 'kib-native gc' });
    expect(isKibError(error) ? error.message : '').toContain('machine fake-1: dispose is broken');
    expect(events).toContainEqual(expect.objectContaining({ type: 'resource', action: 'leaked', id: 'machine fake-1' }));
    const journal = await journalOf(home, id);
    expect(journal).toMatchObject({ isEnded: true, held: [{ kind: 'fake:machine', id: 'fake-1' }] });
    expect(await list(join(home.cacheHome, 'work'))).toEqual([]);
    const gc = { stateHome: home.stateHome, drivers: [home.fake.driver], dryRun: false, signal: home.controller.signal };
    expect((await collectGarbage(gc)).builds).toMatchObject([{ id, status: 'collected' }]);
  });

  it('that fails does not hide why the build failed', async () => {
    const home = await newHouse({ recipes: [bad], breakAt: 'dispose' });
    const { error } = await home.run();
    expect(error).toMatchObject({ code: 'KIB_ACTION_FAILED', suppressed: [{ code: 'KIB_LEAKED' }] });
  });

  it('that hangs ends after some minutes and says what of', async () => {
    const home = await newHouse({ recipes: [bad], hangAt: 'dispose' });
    let held: readonly string[] = [];
    const { error } = await home.run((handle) => {
      handle.subscribe((event) => {
        if (event.type === 'span.end' && event.span === 1) held = handle.held();
      });
    });
    const [leak] = isKibError(error) ? error.suppressed : [];
    expect(leak).toMatchObject({ code: 'KIB_LEAKED' });
    expect(isKibError(leak) ? leak.message : '').toMatch(/took longer than 300 s; left: machine fake-1, fake-1, folder /);
    expect(held.slice(0, 2)).toEqual(['machine fake-1', 'fake-1']);
  });
});

function expectCancelled({ error, events }: Outcome): void {
  expect(error).toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: test', suppressed: [] });
  expect(events.at(-1)).toMatchObject({ type: 'span.end', span: 1, status: 'cancelled' });
}

async function inBatches<T, R>(items: readonly T[], size: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += size) results.push(...(await Promise.all(items.slice(at, at + size).map(work))));
  return results;
}
