import { COPIED } from '../../../drivers/ec2/copy-disk.ts';
import type { Helper, StripTools } from '../../../drivers/ec2/strip.ts';
import { type RunningMachine, sh, throwIfAborted } from '../../../src/core/index.ts';
import { makeLogin } from '../../../src/engine/login.ts';

/** A helper of whom scripts are only heard: what they print is `says`. */
export function heardTools(
  says = `${COPIED}\n`,
): StripTools & { readonly scripts: string[]; readonly seeds: string[]; isOpen(): boolean } {
  const scripts: string[] = [];
  const seeds: string[] = [];
  let open = 0;
  return {
    scripts,
    seeds,
    isOpen: () => open > 0,
    forget: [sh`rm -f /etc/ssh/ssh_host_*`],
    login(instanceId) {
      const login = makeLogin({ instanceId, hostname: 'localhost', minimal: true });
      seeds.push(login.seed['user-data'], login.credentials.privateKey);
      return login;
    },
    async connect(machine: RunningMachine, _credentials, { signal }): Promise<Helper> {
      await machine.endpoint(signal);
      open++;
      return {
        async run({ text }, { signal: inner }) {
          scripts.push(text);
          await new Promise((resolve) => setImmediate(resolve));
          throwIfAborted(inner);
          return { stdout: says };
        },
        async [Symbol.asyncDispose]() {
          open--;
        },
      };
    },
  };
}
