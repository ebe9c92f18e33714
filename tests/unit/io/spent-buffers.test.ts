import { setFlagsFromString } from 'node:v8';
import { expect, it } from 'vitest';
import { KiB, MiB } from '../../../src/core/index.ts';
import { noteSpent } from '../../../src/io/spent-buffers.ts';

it('has the buffers of a stream collected long before V8 would', () => {
  const untold = growth(() => {});
  setFlagsFromString('--expose-gc');
  const told = growth(noteSpent);
  expect(told).toBeLessThan(10 * MiB);
  expect(untold).toBeGreaterThan(2 * told);
});

/** How far the memory of buffers grows while a stream's 128 MiB pass. */
function growth(note: (bytes: number) => void): number {
  const before = process.memoryUsage().arrayBuffers;
  let most = before;
  for (let passed = 0; passed < 128 * MiB; passed += 64 * KiB) {
    const { length } = Buffer.allocUnsafeSlow(64 * KiB);
    most = Math.max(most, process.memoryUsage().arrayBuffers);
    note(length);
  }
  return most - before;
}
