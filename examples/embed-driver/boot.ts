// Boots a raw disk on QEMU, waits until its console says something, shuts it down and keeps the disk as it is then.
import { execFileSync } from 'node:child_process';
import { withContext } from 'kib-native';
import { type LaunchRequest, MiB } from 'kib-native/core';
import { qemu } from 'kib-native/drivers/qemu';

const [path = 'base.img', wanted = 'login:', target = 'sealed.qcow2'] = process.argv.slice(2);
const request: LaunchRequest = {
  name: 'appliance',
  machine: { arch: 'amd64', firmware: 'bios', cpus: 1, memoryBytes: 256 * MiB, diskBytes: 512 * MiB, x86Level: 1 },
  base: { path, format: 'raw' },
  seed: { 'user-data': '#cloud-config\n{}\n', 'meta-data': 'instance-id: appliance-1\n' },
};
const { result } = withContext('appliance', async (context) => {
  const machine = await qemu.launch(request, qemu.options.parse({}), context);
  // Lines end with the signal, and so does the shutdown then.
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(120_000)]);
  for await (const line of machine.console?.lines(signal) ?? []) if (line.includes(wanted)) break;
  const disk = await (await machine.shutdown({ graceMs: 30_000, signal })).seal();
  if (disk.kind === 'file') execFileSync('qemu-img', ['convert', '-f', disk.format, '-O', 'qcow2', disk.path, target]);
});
await result;
console.log(target);
