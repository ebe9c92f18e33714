import type { Machine } from './machines.ts';

/** A machine as `GET /api/vcenter/vm/{vm}` describes it. */
export function describeMachine(machine: Machine) {
  const { name, uuid, firmware, cpus, memoryMiB, capacity, mac, network, cdroms, isOn } = machine;
  const cards = {
    '4000': {
      label: 'Network adapter 1',
      type: 'VMXNET3',
      mac_type: 'ASSIGNED',
      mac_address: mac,
      wake_on_lan_enabled: false,
      backing: { type: 'STANDARD_PORTGROUP', ...(network === undefined ? {} : { network }) },
      state: 'NOT_CONNECTED',
      start_connected: true,
      allow_guest_control: true,
    },
  };
  const disk = {
    label: 'Hard disk 1',
    type: 'SCSI',
    scsi: { bus: 0, unit: 0 },
    backing: { type: 'VMDK_FILE', vmdk_file: `[datastore1] ${name}/disk.vmdk` },
    capacity,
  };
  return {
    guest_OS: 'OTHER_3X_LINUX_64',
    name,
    identity: { name, bios_uuid: uuid, instance_uuid: uuid },
    power_state: isOn ? 'POWERED_ON' : 'POWERED_OFF',
    hardware: { version: 'VMX_15', upgrade_policy: 'NEVER', upgrade_status: 'NONE' },
    boot: { type: firmware, delay: 0, retry: false, retry_delay: 10000, enter_setup_mode: false },
    boot_devices: [],
    cpu: { count: cpus, cores_per_socket: 1, hot_add_enabled: false, hot_remove_enabled: false },
    memory: { size_MiB: memoryMiB, hot_add_enabled: false },
    disks: { '2000': disk },
    nics: cards,
    cdroms: Object.fromEntries(
      [...cdroms].map(([device, { item, connected }]) => [
        device,
        {
          type: 'IDE',
          label: 'CD/DVD drive 1',
          ide: { primary: true, master: true },
          backing: { type: 'ISO_FILE', iso_file: `[datastore1] contentlib/${item}/seed.iso` },
          state: 'NOT_CONNECTED',
          start_connected: connected,
          allow_guest_control: true,
        },
      ]),
    ),
    floppies: {},
    parallel_ports: {},
    serial_ports: {},
    sata_adapters: {},
    scsi_adapters: {},
  };
}
