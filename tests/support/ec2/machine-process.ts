import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ec2 } from '../../../drivers/ec2/driver.ts';
import { images } from '../../../drivers/ec2/images.ts';
import { Scope, systemClock } from '../../../src/core/index.ts';
import { BuildJournal } from '../../../src/engine/journal.ts';
import { processIdentity } from '../../../src/io/process-identity.ts';
import { RecordingSpan } from '../../../src/testing/test-context.ts';
import { launchRequest, subjectOf } from './rig.ts';

// A process of its own that makes AMIs under a journal on disk, prints a line and waits to be killed:
// `machine-process.ts <folder> <build id> <base> <options as JSON>`.
const [root = '', buildId = '', ami = '', options = '{}'] = process.argv.slice(2);
const { signal } = new AbortController();
const dirs = { work: join(root, 'work'), logs: join(root, 'builds', buildId), cache: join(root, 'cache') };
for (const dir of Object.values(dirs)) await mkdir(dir, { recursive: true });
const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
const journal = await BuildJournal.create(join(dirs.logs, 'journal.ndjson'), owner);
const context = { buildId, signal, clock: systemClock, span: new RecordingSpan(), scope: new Scope(), journal, dirs };
const parsed = ec2.options.parse(JSON.parse(options));
const machine = await ec2.launch(launchRequest(ami), parsed, context);
const stopped = await machine.shutdown({ graceMs: 1000, signal });
await images.publish(await stopped.seal(), 'ami', subjectOf(), parsed, context);
console.log('made');
await systemClock.sleep(600_000);
