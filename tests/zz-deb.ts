import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { qemu } from '../drivers/qemu/driver.ts';
import { GiB, MiB, type RunningMachine, sh } from '../src/core/index.ts';
import { waitForGuest } from '../src/engine/boot-wait.ts';
import { makeLogin } from '../src/engine/login.ts';
import { connectSsh } from '../src/transport/ssh.ts';
import { Guest } from '../src/engine/guest.ts';
import { testContext } from './support/test-context.ts';

const [firmware, extra] = [(process.argv[2] ?? 'bios') as 'bios' | 'uefi', process.argv[3] ?? '{}'];
const options = qemu.options.parse(JSON.parse(extra));
const base = process.argv[4] ?? '/root/.cache/kib-native/bases/fed3e9fcc2d63d3cb54faa5dd0c103d38279b0ef44b51333e15d98b14b5c2b3f/disk.qcow2';
await using context = await testContext({ cache: '/tmp/kib/qemu-layers' });
const root = await mkdtemp('/tmp/kib/qemu-layers/d-');
context.scope.defer('root', () => rm(root, { recursive: true, force: true }));
const place = async (n: string, backing: string) => { await mkdir(join(root, n), { recursive: true }); return { folder: join(root, n), backing }; };
const machine = { arch: 'amd64', firmware, cpus: 2, memoryBytes: 2 * GiB, diskBytes: 10 * GiB, x86Level: 1 } as const;
const ms = (t: number) => Math.round(performance.now() - t);
const login = makeLogin({ instanceId: `kib-${context.buildId}`, hostname: 'kib-test', minimal: true });
const run = async (g: Guest, script: ReturnType<typeof sh>) => (await g.run(script, { signal: context.signal })).stdout.trim();

const path0 = process.env['PATH'];
const bin = async (name: string, body?: string) => { const d = join(root, name); await mkdir(d); for (const p of ['qemu-img', 'cat', 'xorriso', 'sh', 'env', 'swtpm','timeout']) await symlink(`/usr/bin/${p}`, join(d, p)); if (body !== undefined) { await writeFile(join(d, 'zstd'), `#!/bin/sh\n${body}\n`); await chmod(join(d, 'zstd'), 0o755); } return d; };
const modes: [string, string | undefined][] = [['zstd-1', path0], ['raw', await bin('b1')], ['zstd-1 -T0', await bin('b2', 'exec /usr/bin/zstd -q -1 -T0 -c')], ['zstd --fast=3', await bin('b3', 'exec /usr/bin/zstd -q --fast=3 -c')], ['zstd-1 again', path0], ['disk', path0]];

let t = performance.now();
const m = await qemu.launch({ name: 'deb', machine, base: { path: base, format: 'qcow2' }, seed: login.seed, disk: await place('l0', base) }, options, context);
context.scope.use('machine', m);
const guest = await waitForGuest(m, login.credentials, context);
console.log('boot', ms(t));
console.log(await run(guest, sh`uname -r; dmesg | grep -i -E 'vmgen|crng|tpm' || true; cat /sys/class/tpm/tpm0/pcr-sha256/0 2>&1 || true; systemctl is-system-running || true`));
let i = 0;
for (const [name, path] of modes) {
  await run(guest, sh`echo ${name} >> /root/trace; sync`);
  process.env['PATH'] = path;
  t = performance.now();
  const f = await m.freezer!.freeze({ next: await place(`l${i + 1}`, `../l${i}/disk.qcow2`), memory: name !== 'disk', signal: context.signal });
  const total = ms(t);
  process.env['PATH'] = path0;
  const mem = f.files.find((n) => n.startsWith('memory'));
  console.log('freeze', name, 'paused', f.pausedMs, 'total', total, mem, mem && (await stat(join(root, `l${i}`, mem))).size / MiB);
  i++;
}
const ts = performance.now();
console.log('after freezes', await run(guest, sh`cat /root/trace | tr '\n' ' '; dmesg | tail -3`), ms(ts));
await guest[Symbol.asyncDispose]();
t = performance.now();
const stopped = await m.shutdown({ graceMs: 240_000, signal: context.signal });
console.log('shutdown', ms(t), (await stopped.seal()).path);

async function tryResume(n: number): Promise<void> {
  const t = performance.now();
  const r: RunningMachine = await qemu.layers!.resume({ name: 'deb', machine, frozen: join(root, `l${n}`), disk: await place(`r${n}`, `../l${n}/disk.qcow2`) }, options, context);
  const loaded = ms(t);
  const endpoint = await r.endpoint(context.signal);
  const connect = (signal: AbortSignal) => connectSsh(endpoint, login.credentials, { signal, clock: context.clock, readyTimeoutMs: 60_000, greetingTimeoutMs: 10_000 });
  const g = new Guest(await connect(context.signal), { connect, clock: context.clock, slowness: r.slowness });
  const connected = ms(t);
  const out = await run(g, sh`cat /root/trace | tr '\n' ' '; date +%s`);
  console.log('resume', modes[n]?.[0], 'loaded', loaded, 'connected', connected, 'first command', ms(t), out, 'host', Math.round(Date.now() / 1000));
  console.log(await run(g, sh`dmesg | tail -4; date -d "@$(cat /sys/class/rtc/rtc0/since_epoch)" +%s; echo written > /root/after; sync; cat /root/after; cat /sys/class/tpm/tpm0/pcr-sha256/0 2>/dev/null || true`));
  await g[Symbol.asyncDispose]();
  const t2 = performance.now();
  if (n === 0) { const s = await r.shutdown({ graceMs: 240_000, signal: context.signal }); console.log('shutdown', ms(t2), await s.seal()); await s[Symbol.asyncDispose](); }
  else { await r[Symbol.asyncDispose](); console.log('dispose', ms(t2)); }
}
for (const n of [0, 1, 2, 3, 0]) { await rm(join(root, `r${n}`), { recursive: true, force: true }); await tryResume(n); }
console.log(context.events.filter((e) => e.type === 'warning' || (e.type === 'log' && e.stream === 'host')));
