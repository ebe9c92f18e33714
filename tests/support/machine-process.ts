import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { qemu } from '../../drivers/qemu/driver.ts';
import { Scope, systemClock } from '../../src/core/index.ts';
import { BuildJournal } from '../../src/engine/journal.ts';
import { processIdentity } from '../../src/io/process-identity.ts';
import { RecordingSpan } from './test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from './tiny-guest.ts';

// A process of its own that runs a machine under a journal on disk: `machine-process.ts <folder> <build id> run|wait|freeze`.
// `run` boots it, shuts it down and ends; `wait` boots it, prints a line of JSON and waits to be killed; so does `freeze`, which first
// freezes it and continues it a second time.
const [root = '', buildId = '', mode = ''] = process.argv.slice(2);
const { signal } = new AbortController();
const dirs = { work: join(root, 'work'), logs: join(root, 'builds', buildId), cache: join(root, 'cache') };
for (const dir of Object.values(dirs)) await mkdir(dir, { recursive: true });
const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
const journal = await BuildJournal.create(join(dirs.logs, 'journal.ndjson'), owner);
const scope = new Scope();
const context = { buildId, signal, clock: systemClock, span: new RecordingSpan(), scope, journal, dirs };

const options = qemu.options.parse({ tpm: true });
const request = await tinyGuestRequest(join(root, 'guest.img'));
const place = async (name: string, backing: string) => {
  await mkdir(join(root, name));
  return { folder: join(root, name), backing };
};
const launched = mode === 'freeze' ? { ...request, disk: await place('layer', '../guest.img') } : request;
const machine = await qemu.launch(launched, options, context);
for await (const line of machine.console?.lines(signal) ?? []) if (line.includes(TINY_GUEST_LINES[1])) break;
if (mode === 'freeze') {
  const backing = '../layer/disk.qcow2';
  await machine.freezer?.freeze({ next: await place('next', backing), memory: true, signal });
  const disk = await place('resumed', backing);
  await qemu.layers?.memory?.resume(
    { name: 'again', machine: request.machine, frozen: join(root, 'layer'), disk },
    options,
    context,
  );
}
const { port } = await machine.endpoint(signal);
console.log(JSON.stringify({ port, id: machine.id, uid: process.getuid?.() }));
if (mode !== 'run') await systemClock.sleep(600_000);
const stopped = await machine.shutdown({ graceMs: 20_000, signal });
const disk = await stopped.seal();
await scope[Symbol.asyncDispose]();
await journal.close();
console.log(JSON.stringify({ virtualBytes: disk.virtualBytes, held: scope.held }));
