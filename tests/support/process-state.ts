import { readFile } from 'node:fs/promises';
import { systemClock } from '../../src/core/index.ts';

/** Whether the process ends within two seconds; a zombie nobody has waited for yet counts as ended. */
export async function endsSoon(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State:\tZ');
    if (/^State:\s+Z/m.test(status)) return true;
    await systemClock.sleep(20);
  }
  return false;
}

/** Waits until a condition holds; throws after five seconds. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (condition()) return;
    await systemClock.sleep(10);
  }
  throw new Error('waited in vain');
}
