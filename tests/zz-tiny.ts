import { mkdir, mkdtemp, readdir, stat } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { qemu } from '../drivers/qemu/driver.ts';
import { testContext } from './support/test-context.ts';
import { tinyGuestRequest, TINY_GUEST_LINES } from './support/tiny-guest.ts';

const sha = (p: string) => createHash('sha256').update(readFileSync(p)).digest('hex').slice(0, 12);
const options = qemu.options.parse({ ...JSON.parse(process.argv[2] ?? '{}') });
const firmware = (process.argv[3] ?? 'bios') as 'bios' | 'uefi';
await using context = await testContext({ cache: '/tmp/kib/qemu-layers' });
const root = await mkdtemp('/tmp/kib/qemu-layers/t-');
const place = async (n: string, backing: string) => { await mkdir(join(root, n)); return { folder: join(root, n), backing }; };
const base = await tinyGuestRequest(join(root, 'guest.img'));
const request = { ...base, machine: { ...base.machine, firmware } };
const ms = (t: number) => Math.round(performance.now() - t);
let t = performance.now();
const m = await qemu.launch({ ...request, disk: await place('l0', '../guest.img') }, options, context);
console.log('launch', ms(t));
for await (const line of m.console!.lines(context.signal)) if (line.includes(TINY_GUEST_LINES[firmware === 'uefi' ? 0 : 1]) || firmware === 'uefi') break;
const shas: string[] = [];
const n = 4;
for (let i = 0; i < n; i++) {
  t = performance.now();
  const f = await m.freezer!.freeze({ next: await place(`l${i + 1}`, `../l${i}/disk.qcow2`), memory: i !== 2, signal: context.signal });
  console.log('freeze', ms(t), f);
  shas.push(sha(join(root, `l${i}/disk.qcow2`)));
}
t = performance.now();
const r = await qemu.layers!.resume({ name: 'x', machine: request.machine, frozen: join(root, 'l1'), disk: await place('r', '../l1/disk.qcow2') }, options, context);
console.log('resume while running', ms(t), await r.endpoint(context.signal));
t = performance.now();
try { const stopped = await r.shutdown({ graceMs: 3000, signal: context.signal });
console.log('shutdown', ms(t), await stopped.seal()); } catch (e) { console.log(String(e)); }
console.log((await r.console!.tail(5)));
try { const s2 = await m.shutdown({ graceMs: 3000, signal: context.signal });
console.log(await s2.seal()); } catch (e) { console.log(String(e)); }
for (let i = 0; i < n; i++) { console.log(i, shas[i] === sha(join(root, `l${i}/disk.qcow2`))); for (const f of await readdir(join(root, `l${i}`))) console.log('  ', f, (await stat(join(root, `l${i}`, f))).size, (await stat(join(root, `l${i}`, f))).mode.toString(8)); }
console.log(context.events.filter((e) => e.type === 'log' || e.type === 'warning'));
