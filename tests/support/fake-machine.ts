import { writeFileSync } from 'node:fs';
import { type Clock, type ConsoleReader, KibError, type RunningMachine } from '../../src/core/index.ts';

/** A line of a scripted console and when it comes, in milliseconds after power-on. */
export type ConsoleScript = readonly (readonly [atMs: number, line: string])[];

export interface FakeMachineOptions {
  readonly clock: Clock;
  readonly console?: ConsoleScript;
  readonly slowness?: number;
  /** When the machine stops by itself; default: never. */
  readonly exitsAtMs?: number;
  readonly hasDisplay?: boolean;
}

/** A machine whose console says what a script has it say. */
export function fakeMachine(options: FakeMachineOptions): RunningMachine {
  const { clock, exitsAtMs } = options;
  const powerOn = clock.now();
  const seen: string[] = [];
  const reader: ConsoleReader = {
    path: '/nowhere',
    async *lines(signal) {
      for (const [at, line] of options.console ?? []) {
        await clock.sleep(Math.max(0, powerOn + at - clock.now()), signal).catch(() => {});
        if (signal.aborted) return;
        seen.push(line);
        yield line;
      }
    },
    tail: async (count) => seen.slice(-count),
  };
  const never = new Promise<never>(() => {});
  const exits = async (): Promise<never> => {
    await clock.sleep(exitsAtMs ?? 0);
    throw new KibError('KIB_QEMU_EXITED', 'QEMU ended with exit code 1');
  };
  return {
    id: 'fake machine',
    endpoint: async () => ({ host: '127.0.0.1', port: 22 }),
    exited: exitsAtMs === undefined ? never : exits(),
    slowness: options.slowness ?? 1,
    ...(options.console === undefined ? {} : { console: reader }),
    ...(options.hasDisplay === true ? { screenshotter: { screenshot: async (path: string) => writeFileSync(path, 'PNG') } } : {}),
    shutdown: () => Promise.reject(new Error('not for this test')),
    release: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
