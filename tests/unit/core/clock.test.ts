import { describe, expect, it } from 'vitest';
import { KibError, poll, retry, systemClock, withDeadline } from '../../../src/core/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const onTimeout = () => new KibError('KIB_BOOT_TIMEOUT', 'too slow');
const never = () => new Promise<never>(() => {});

function setup() {
  const clock = new FakeClock();
  const controller = new AbortController();
  return { clock, controller, signal: controller.signal };
}

describe('systemClock', () => {
  it('sleeps, and wakes with KIB_CANCELLED on abort', async () => {
    await systemClock.sleep(1);
    const controller = new AbortController();
    const sleep = systemClock.sleep(60_000, controller.signal);
    controller.abort('SIGINT');
    await expect(sleep).rejects.toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: SIGINT' });
    await expect(systemClock.sleep(0, controller.signal)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
  });

  it('does not wake at once from a sleep longer than a timer can be', async () => {
    const controller = new AbortController();
    const asleep = systemClock.sleep(2 ** 40, controller.signal).then(
      () => 'woke up',
      () => 'aborted',
    );
    await systemClock.sleep(20);
    controller.abort();
    expect(await asleep).toBe('aborted');
  });
});

describe('withDeadline', () => {
  it('gives the result of work in time and leaves no timer', async () => {
    const { clock, signal } = setup();
    const work = withDeadline({ ms: 1000, clock, signal, onTimeout }, async (inner) => {
      await clock.sleep(999, inner);
      return 'done';
    });
    expect(await clock.run(work)).toBe('done');
    expect(clock.sleeping).toBe(0);
  });

  it('passes the error of the work on', async () => {
    const { clock, signal } = setup();
    const work = withDeadline({ ms: 1000, clock, signal, onTimeout }, () => Promise.reject(new Error('broken')));
    await expect(work).rejects.toThrow('broken');
    expect(clock.sleeping).toBe(0);
  });

  it('rejects at the deadline even when the work ignores its signal, and tells the signal why', async () => {
    const { clock, signal } = setup();
    let inner: AbortSignal | undefined;
    const work = withDeadline({ ms: 1000, clock, signal, onTimeout }, (given) => {
      inner = given;
      return never();
    });
    await expect(clock.run(work)).rejects.toMatchObject({ code: 'KIB_BOOT_TIMEOUT' });
    expect(inner?.reason).toMatchObject({ code: 'KIB_BOOT_TIMEOUT' });
  });

  it('drops a late failure silently', async () => {
    const { clock, signal } = setup();
    const work = withDeadline({ ms: 10, clock, signal, onTimeout }, async () => {
      await clock.sleep(50);
      throw new Error('late');
    });
    await expect(clock.run(work)).rejects.toMatchObject({ code: 'KIB_BOOT_TIMEOUT' });
    await clock.advance(100);
  });

  it('rejects when the outer signal aborts, before, during or while ignored', async () => {
    const { clock, controller, signal } = setup();
    const work = withDeadline({ ms: 1000, clock, signal, onTimeout }, never);
    controller.abort('SIGTERM');
    await expect(work).rejects.toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: SIGTERM' });
    expect(clock.sleeping).toBe(0);
    let isStarted = false;
    const late = withDeadline({ ms: 1000, clock, signal, onTimeout }, async () => {
      isStarted = true;
    });
    await expect(late).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(isStarted).toBe(false);
  });
});

describe('retry', () => {
  const flaky = (failures: number, clock: FakeClock, times: number[]) => async (attempt: number) => {
    times.push(clock.now());
    if (attempt <= failures) throw new KibError('KIB_HTTP', `try ${attempt}`, { retryable: true });
    return attempt;
  };

  it('waits twice as long each time, up to a limit', async () => {
    const { clock, signal } = setup();
    const times: number[] = [];
    const options = { attempts: 6, delayMs: 1000, maxDelayMs: 5000, clock, signal, when: () => true };
    expect(await clock.run(retry(options, flaky(5, clock, times)))).toBe(6);
    expect(times.slice(1).map((time, index) => time - (times[index] ?? 0))).toEqual([1000, 2000, 4000, 5000, 5000]);
  });

  it('throws the last error when the attempts are used up', async () => {
    const { clock, signal } = setup();
    const seen: number[] = [];
    const options = {
      attempts: 3,
      delayMs: 1,
      clock,
      signal,
      when: () => true,
      onRetry: (_: unknown, n: number) => seen.push(n),
    };
    await expect(clock.run(retry(options, flaky(9, clock, [])))).rejects.toThrow('try 3');
    expect(seen).toEqual([1, 2]);
  });

  it('throws at once what may not be tried again', async () => {
    const { clock, signal } = setup();
    const times: number[] = [];
    const options = { attempts: 5, delayMs: 1, clock, signal, when: () => false };
    await expect(clock.run(retry(options, flaky(9, clock, times)))).rejects.toThrow('try 1');
    expect(times).toHaveLength(1);
  });

  it('stops at an abort wherever it is: before, while working, while waiting', async () => {
    for (let abortAt = 0; abortAt < 8; abortAt++) {
      const { clock, controller, signal } = setup();
      let steps = 0;
      const step = () => {
        if (steps++ === abortAt) controller.abort('stop');
      };
      step();
      const work = retry({ attempts: 4, delayMs: 10, clock, signal, when: () => true, onRetry: step }, async () => {
        step();
        throw new KibError('KIB_HTTP', 'down');
      });
      await expect(clock.run(work)).rejects.toBeInstanceOf(KibError);
      // Whatever was running when the abort came is the last thing that ran.
      expect(steps).toBeLessThanOrEqual(abortAt + 2);
      expect(clock.sleeping).toBe(0);
    }
  });
});

describe('poll', () => {
  it('asks until there is an answer', async () => {
    const { clock, signal } = setup();
    const start = clock.now();
    let count = 0;
    const work = poll({ clock, signal, intervalMs: 500 }, async () => (++count === 4 ? 'up' : undefined));
    expect(await clock.run(work)).toBe('up');
    expect(clock.now() - start).toBe(1500);
  });

  it('takes null, 0 and false for answers', async () => {
    const { clock, signal } = setup();
    for (const answer of [null, 0, false]) {
      expect(await poll({ clock, signal, intervalMs: 1 }, async () => answer)).toBe(answer);
    }
  });

  it('stops at an abort', async () => {
    const { clock, controller, signal } = setup();
    const work = poll({ clock, signal, intervalMs: 500 }, async () => undefined);
    await clock.advance(1200);
    controller.abort('SIGINT');
    await expect(work).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(clock.sleeping).toBe(0);
  });
});
