import { hardware, takeIso } from './builder-parts.ts';
import type { Draft } from './draft.ts';
import { isTrueText, isWhole, type Part, text, texts } from './template.ts';

/** The qemu plugin's builder. */
export function qemu(draft: Draft, part: Part): readonly string[] {
  const { settings } = part;
  const option = (name: string, setting: string, value: unknown) => draft.set(`driver.${setting}`, value, part.placeOf(name));
  const format = text(settings['format']);
  if (format !== undefined && isWhole(format)) draft.set('formats', [format], part.placeOf('format'));
  const accelerator = text(settings['accelerator']);
  // kvm where there is KVM is what `auto` finds.
  if (accelerator !== undefined && accelerator !== 'kvm')
    option('accelerator', 'accelerator', accelerator === 'none' ? 'tcg' : accelerator);
  const cpu = text(settings['cpu_model']);
  if (cpu !== 'host') option('cpu_model', 'cpuModel', cpu);
  option('machine_type', 'machineType', text(settings['machine_type']));
  option('qemu_binary', 'binary', text(settings['qemu_binary']));
  if (isTrueText(settings['vtpm'])) option('vtpm', 'tpm', true);
  if (settings['headless'] !== undefined && !isTrueText(settings['headless'])) option('headless', 'display', 'gtk');
  const disk = { virtio: 'virtio', 'virtio-scsi': 'scsi', scsi: 'scsi', ide: 'sata' }[text(settings['disk_interface']) ?? ''];
  if (disk !== 'virtio') option('disk_interface', 'diskInterface', disk);
  const card = text(settings['net_device'])?.replace(/^virtio(-net(-pci)?)?$/, 'virtio');
  if (card !== 'virtio') option('net_device', 'networkModel', card);
  if (text(settings['disk_discard']) === 'ignore') option('disk_discard', 'discard', false);
  const args = Array.isArray(settings['qemuargs']) ? settings['qemuargs'].flatMap((pair) => texts(pair)) : [];
  if (args.length > 0) option('qemuargs', 'args', args);
  const firmware = ['efi_boot', 'efi_firmware_code', 'efi_firmware_vars', 'firmware'].find((key) => isEfi(settings[key]));
  if (firmware !== undefined) draft.set('firmware', 'uefi', part.placeOf(firmware));
  if (isTrueText(settings['disk_compression'])) draft.set('export.qcow2.compression', 'zlib', part.placeOf('disk_compression'));
  return [
    ...hardware(draft, part, { cpus: 'cpus', memory: 'memory', disk: 'disk_size' }),
    ...takeIso(draft, part, isTrueText(settings['disk_image'])),
    'format',
    'accelerator',
    'cpu_model',
    'machine_type',
    'qemu_binary',
    'vtpm',
    'disk_interface',
    'net_device',
    'disk_discard',
    'qemuargs',
    'efi_boot',
    'efi_firmware_code',
    'efi_firmware_vars',
    'efi_drop_efivars',
    'firmware',
    'disk_compression',
  ];
}

function isEfi(value: unknown): boolean {
  return value === true || /^(true|.*(ovmf|efi|edk2).*)$/i.test(text(value) ?? '');
}
