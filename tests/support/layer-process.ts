// One build's part in making a layer, as a process of its own: `layer-process.ts <cache folder> <journal> <what> [key]`.
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Scope, systemClock } from '../../src/core/index.ts';
import { BuildJournal } from '../../src/engine/journal.ts';
import { leaseLayer } from '../../src/engine/layers/lease.ts';
import { publishLayer } from '../../src/engine/layers/publish.ts';
import { findLayer } from '../../src/engine/layers/store.ts';
import { processIdentity } from '../../src/io/process-identity.ts';
import { draft, publish, stage } from './layer-store.ts';
import { RecordingSpan } from './test-context.ts';

const [cache = '', journalPath = '', what = '', key = 'boot'] = process.argv.slice(2);
const { signal } = new AbortController();
const journal = await BuildJournal.create(journalPath, {
  pid: process.pid,
  identity: await processIdentity(process.pid, signal),
});
const context = {
  buildId: `build-${process.pid}`,
  signal,
  clock: systemClock,
  span: new RecordingSpan(),
  scope: new Scope(),
  journal,
  dirs: { cache, work: cache, logs: cache },
};

const say = (text: string) => process.stdout.write(`${text}\n`);

if (what === 'make') {
  // Makes the layer, or takes the one that another process makes meanwhile.
  const lease = await leaseLayer(key, key, context);
  say('leased');
  if ((await findLayer(key, context)) === undefined) {
    await appendFile(join(cache, 'made'), `${process.pid}\n`);
    await delay(300);
    await publish({ key }, context);
  }
  await lease[Symbol.asyncDispose]();
  say('done');
}
if (what === 'hold') {
  // Leases and pins, and never lets go.
  await leaseLayer(key, key, context);
  await findLayer('pinned', context);
  say('leased');
  await delay(60_000);
}
if (what === 'publish-for-ever') {
  for (let count = 1; ; count++) {
    const given = { key: `${key}-${count}`, disk: 'x'.repeat(200_000) };
    const staging = await stage(given, context);
    if (count === 1) say('publishing');
    await publishLayer(staging, draft(given), context);
    await writeFile(join(cache, 'count'), String(count));
  }
}
await context.scope[Symbol.asyncDispose]();
await journal.close();
