import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { esxi } from '../../../drivers/esxi/driver.ts';
import { Scope, systemClock } from '../../../src/core/index.ts';
import { BuildJournal } from '../../../src/engine/journal.ts';
import { processIdentity } from '../../../src/io/process-identity.ts';
import { RecordingSpan } from '../test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from '../tiny-guest.ts';

// A process of its own that runs a machine under a journal on disk, prints a line of JSON and waits to be killed:
// `machine-process.ts <folder> <build id> <options as JSON>`.
const [root = '', buildId = '', options = '{}'] = process.argv.slice(2);
const { signal } = new AbortController();
const dirs = { work: join(root, 'work'), logs: join(root, 'builds', buildId), cache: join(root, 'cache') };
for (const dir of Object.values(dirs)) await mkdir(dir, { recursive: true });
const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
const journal = await BuildJournal.create(join(dirs.logs, 'journal.ndjson'), owner);
const context = { buildId, signal, clock: systemClock, span: new RecordingSpan(), scope: new Scope(), journal, dirs };
const request = await tinyGuestRequest(join(root, 'guest.img'));
const machine = await esxi.launch(request, esxi.options.parse(JSON.parse(options)), context);
for await (const line of machine.console?.lines(signal) ?? []) if (line.includes(TINY_GUEST_LINES[1])) break;
console.log(JSON.stringify({ id: machine.id }));
await systemClock.sleep(600_000);
