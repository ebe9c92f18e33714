// Which machines run, from the files that machine.mjs keeps in the state folder.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each with its .vmx, the processes of QEMU and of its supervisor, and its folder in `state`. It runs until the supervisor has tidied up, too. */
export function runningMachines(state) {
  return readdirSync(state, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      try {
        const machine = JSON.parse(readFileSync(join(state, name, 'running'), 'utf8'));
        return isAlive(machine.pid) || isAlive(machine.supervisor) ? [{ ...machine, folder: join(state, name) }] : [];
      } catch {
        return [];
      }
    });
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
