import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ec2 } from '../../drivers/ec2/driver.ts';
import { esxi } from '../../drivers/esxi/driver.ts';
import { libvirt } from '../../drivers/libvirt/driver.ts';
import { vmware } from '../../drivers/vmware/driver.ts';
import { vsphere } from '../../drivers/vsphere/driver.ts';
import { type Driver, type LaunchRequest, Scope, systemClock } from '../../src/core/index.ts';
import { BuildJournal } from '../../src/engine/journal.ts';
import { processIdentity } from '../../src/io/process-identity.ts';
import { RecordingSpan } from './test-context.ts';
import { TINY_GUEST_LINES, tinyGuestRequest } from './tiny-guest.ts';

// A process of its own that runs a machine under a journal on disk, prints a line of JSON and waits to be killed:
// `driver-process.ts <driver> <folder> <build id> <options as JSON> [<request as JSON>]`; without a request a tiny guest is run, and waited for.
const [name = '', root = '', buildId = '', options = '{}', given] = process.argv.slice(2);
const drivers: readonly Driver[] = [ec2, esxi, libvirt, vmware, vsphere];
const driver = drivers.find((other) => other.name === name);
if (driver === undefined) throw new Error(`no driver ${name} here`);
const { signal } = new AbortController();
const dirs = { work: join(root, 'work'), logs: join(root, 'builds', buildId), cache: join(root, 'cache') };
for (const dir of Object.values(dirs)) await mkdir(dir, { recursive: true });
const owner = { pid: process.pid, identity: await processIdentity(process.pid, signal) };
const journal = await BuildJournal.create(join(dirs.logs, 'journal.ndjson'), owner);
const context = { buildId, signal, clock: systemClock, span: new RecordingSpan(), scope: new Scope(), journal, dirs };
const request = given === undefined ? await tinyGuestRequest(join(root, 'guest.img')) : (JSON.parse(given) as LaunchRequest);
const machine = await driver.launch(request, driver.options.parse(JSON.parse(options)), context);
if (given === undefined)
  for await (const line of machine.console?.lines(signal) ?? []) if (line.includes(TINY_GUEST_LINES[1])) break;
console.log(JSON.stringify({ id: machine.id }));
await systemClock.sleep(600_000);
