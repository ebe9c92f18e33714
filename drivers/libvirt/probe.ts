import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, isKibError, throwIfAborted, withScope } from '../../src/core/index.ts';
import { serialProbeImage } from '../../src/io/probe-guest/images.ts';
import { xml, xmlDocument } from '../../src/io/xml.ts';
import { removeDomain } from './domain.ts';
import { machineName } from './parts.ts';
import { makeVolume, volumePath } from './pool.ts';
import { type Registrar, registered } from './resources.ts';
import type { Virsh } from './virsh.ts';

/** Whether kvm runs guests on the host; the reason reads on after «but». */
export type Verdict = { readonly usable: true } | { readonly usable: false; readonly reason: string };

/** Where virtualisation works it takes a tenth of a second. */
const DEADLINE_MS = 5000;
const POLL_MS = 200;

/** Starts a domain with a test guest of a few instructions and sees whether it gets to its end; libvirt lists kvm on hosts that only open it. */
export async function probeKvm(virsh: Virsh, model: string, registrar: Registrar, context: Context): Promise<Verdict> {
  const name = `${machineName(context)}-probe`;
  const { pool, folder } = registrar;
  return withScope(async (scope) => {
    const { signal, clock } = context;
    const [image, definition, console] = [join(folder, 'probe.img'), join(folder, 'probe.xml'), join(folder, 'probe.log')];
    await writeFile(image, serialProbeImage());
    await makeVolume(virsh, { name: `${name}.img`, bytes: 0, format: 'raw' }, registrar, scope, context);
    await virsh.send(['vol-upload', '--pool', pool, `${name}.img`], image, signal);
    await makeVolume(virsh, { name: `${name}-serial.log`, bytes: 0, format: 'raw' }, registrar, scope, context);
    const consolePath = await volumePath(virsh, pool, `${name}-serial.log`, signal);
    await writeFile(definition, probeXml(name, model, pool, consolePath));
    await registered('libvirt:domain', name, registrar, scope, context.journal, () => removeDomain(virsh, name));
    throwIfAborted(signal);
    const steady = new AbortController().signal;
    try {
      await virsh.send(['define'], definition, steady);
      throwIfAborted(signal);
      await virsh.run(['start', name], steady);
    } catch (error) {
      throwIfAborted(signal);
      if (!isKibError(error) || error.code !== 'KIB_LIBVIRT') throw error;
      return { usable: false, reason: `a test guest under kvm did not start (${lastWords(error.message)})` };
    }
    const deadline = clock.now() + DEADLINE_MS;
    while (clock.now() < deadline) {
      throwIfAborted(signal);
      await virsh.receive(['vol-download', '--pool', pool, `${name}-serial.log`], console, signal);
      if ((await readFile(console, 'latin1')).includes('K')) return { usable: true };
      await clock.sleep(POLL_MS, signal);
    }
    return { usable: false, reason: `a test guest under kvm hung for ${DEADLINE_MS / 1000} s` };
  });
}

function probeXml(name: string, model: string, pool: string, consolePath: string): string {
  const mode = ['host-passthrough', 'host-model', 'maximum'].includes(model)
    ? xml`<cpu mode="${model}"/>`
    : xml`<cpu mode="custom" match="exact" check="none"><model fallback="forbid">${model}</model></cpu>`;
  return xmlDocument(xml`
    <domain type="kvm">
      <name>${name}</name>
      <memory unit="MiB">64</memory>
      <vcpu>1</vcpu>
      <os><type arch="x86_64" machine="q35">hvm</type></os>
      <features><acpi/></features>
      ${mode}
      <on_reboot>destroy</on_reboot>
      <on_crash>destroy</on_crash>
      <devices>
        <disk type="volume" device="disk">
          <driver name="qemu" type="raw"/>
          <source pool="${pool}" volume="${`${name}.img`}"/>
          <target dev="vda" bus="virtio"/>
        </disk>
        <serial type="file"><source path="${consolePath}"/><target port="0"/></serial>
        <memballoon model="none"/>
      </devices>
    </domain>
  `);
}

// libvirt passes on all that QEMU has said, the interesting part last.
function lastWords(message: string): string {
  return message.split(';').at(-1)?.trim() ?? message;
}
