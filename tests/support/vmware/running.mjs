// Which machines run, from the files that machine.mjs keeps in the state folder.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Each with its .vmx, the processes of QEMU and of its supervisor, and its folder in `state`. */
export function runningMachines(state) {
  return readdirSync(state, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      try {
        const machine = JSON.parse(readFileSync(join(state, name, 'running'), 'utf8'));
        process.kill(machine.pid, 0);
        return [{ ...machine, folder: join(state, name) }];
      } catch {
        return [];
      }
    });
}
