import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FakeVcenter } from './fake.ts';
import { openApi } from './openapi.ts';
import { vmrunRunner } from './runner.ts';

// A fake vCenter in a process of its own, for the network namespace of its machines: `process.ts <folder> <vmrun> <leases>`. Prints its options as a
// line of JSON; when it is told to end, it writes what it saw to `report.json`.
const [dir = '', vmrun = '', leases = ''] = process.argv.slice(2);
const api = openApi();
const fake = await FakeVcenter.start({
  dir,
  runner: vmrunRunner(vmrun, leases),
  openApi: typeof api === 'string' ? undefined : api,
});
process.on('SIGTERM', () => {
  const leftovers = fake.leftovers();
  const sessions = fake.tokens.size;
  void fake[Symbol.asyncDispose]().then(async () => {
    const { violations, calls } = fake;
    await writeFile(
      join(dir, 'report.json'),
      JSON.stringify({ leftovers, sessions, violations, calls, isValidated: typeof api !== 'string' }),
    );
    process.exit(0);
  });
});
const { password: _, ...options } = fake.options;
console.log(JSON.stringify(options));
