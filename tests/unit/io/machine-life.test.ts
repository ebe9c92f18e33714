import { describe, expect, it, onTestFinished } from 'vitest';
import type { ConsoleReader } from '../../../src/core/index.ts';
import { MachineLife, type PowerOff } from '../../../src/io/machine-life.ts';
import { withMachineParts } from '../../../src/io/machine-parts.ts';
import { MachineWatch } from '../../../src/io/machine-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { testContext } from '../../support/test-context.ts';

const { signal } = new AbortController();
const CONSOLE: ConsoleReader = { path: '/console', lines: async function* () {}, tail: async () => ['last words'] };

/** A machine that `set` gives its state to, or an error to answer with. */
async function machine() {
  const clock = new FakeClock();
  const context = await testContext();
  onTestFinished(() => context[Symbol.asyncDispose]());
  let state: string | undefined;
  let refusal: Error | undefined;
  const copies: number[] = [];
  const released: string[] = [];
  const parts = await withMachineParts('test machine', context, async (made) => {
    made.kept.defer('disk', async () => void released.push('disk'));
    made.running.defer('power', async () => void released.push('power'));
    return made;
  });
  const watch = parts.running.use(
    'watch',
    new MachineWatch<string>({
      clock,
      look: async () => {
        if (refusal !== undefined) throw refusal;
        return state;
      },
      copyConsole: async () => void copies.push(clock.now()),
    }),
  );
  const unwanted = (end: unknown) => new Error(JSON.stringify(end));
  const life = new MachineLife({ parts, watch, console: CONSOLE, unwanted });
  const powerOff = (change: Partial<PowerOff<string>> = {}): Promise<void> =>
    life.shutdown({
      graceMs: 5000,
      signal,
      ask: () => watch.endsWithin(5000, signal),
      isClean: (end) => end === 'off',
      hint: 'acpid',
      ...change,
    });
  return {
    clock,
    context,
    watch,
    life,
    copies,
    released,
    powerOff,
    set: (next: string | Error) => {
      if (next instanceof Error) refusal = next;
      else state = next;
    },
  };
}

describe('a machine that is watched', () => {
  it('copies the console once more after it is off, and keeps only the disk', async () => {
    const { clock, watch, life, copies, released, powerOff, set } = await machine();
    await clock.advance(1000);
    const before = copies.length;
    const off = powerOff();
    set('off');
    await clock.run(off);
    expect(copies.length).toBeGreaterThan(before);
    expect(watch.hasEnded).toBe(true);
    expect(released).toEqual(['power']);
    // Its disk is somebody else's by now.
    await life[Symbol.asyncDispose]();
    expect(released).toEqual(['power']);
  });

  it('is thrown away when it does not power off in time, with the last lines of its console', async () => {
    const { clock, released, powerOff } = await machine();
    await expect(clock.run(powerOff())).rejects.toMatchObject({
      code: 'KIB_SHUTDOWN',
      hint: 'acpid',
      details: { console: ['last words'] },
    });
    expect(released).toEqual(['power', 'disk']);
  });

  it('is not clean when something else than the guest ended it', async () => {
    const { clock, powerOff, set } = await machine();
    set('crashed');
    await expect(clock.run(powerOff())).rejects.toThrow('{"kind":"off","state":"crashed"}');
  });

  it('says so when it ends by itself, and nothing when that was wanted', async () => {
    const { clock, life, set } = await machine();
    set('off');
    await expect(clock.run(life.exited)).rejects.toThrow('{"kind":"off","state":"off"}');
  });

  it('is lost after a minute without an answer, and not before', async () => {
    const { clock, watch, set } = await machine();
    await clock.advance(1000);
    set(new Error('no route to host'));
    await clock.advance(59_000);
    expect(watch.hasEnded).toBe(false);
    await clock.advance(2000);
    expect(await watch.ended).toMatchObject({ kind: 'lost', error: { message: 'no route to host' } });
  });

  it('is left alone once it was released', async () => {
    const { life, released, watch } = await machine();
    const order: string[] = [];
    await life.release(async () => void order.push('let go'));
    await life.release(async () => void order.push('again'));
    await life[Symbol.asyncDispose]();
    expect(order).toEqual(['let go']);
    expect(watch.hasEnded).toBe(true);
    expect(released).toEqual([]);
  });

  it('goes with the scope of its build', async () => {
    const { context, released } = await machine();
    await context[Symbol.asyncDispose]();
    expect(released).toEqual(['power', 'disk']);
  });
});
