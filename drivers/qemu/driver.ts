import { defineDriver } from '../../src/core/index.ts';
import { levelIssues } from './cpu.ts';
import { doctor } from './doctor.ts';
import { fingerprint } from './fingerprint.ts';
import { launch } from './launch.ts';
import { type QemuOptions, qemuOptionsSchema } from './options.ts';
import { preview } from './preview.ts';
import { reapProcess } from './reap.ts';
import { resume } from './resume.ts';

/** Boots machines on QEMU of this host: KVM or HVF where a test guest runs on it, emulation elsewhere. Root is not needed. */
export const qemu = defineDriver<QemuOptions>({
  name: 'qemu',
  summary: 'QEMU on this host, with KVM, HVF or emulation',
  options: qemuOptionsSchema,
  capabilities: {
    arch: ['amd64', 'arm64'],
    firmware: ['bios', 'uefi'],
    formats: ['qcow2', 'raw', 'ova'],
    console: true,
    screenshot: true,
    sharesNetwork: true,
  },
  doctor,
  validate: (machine, { cpuModel }) => levelIssues(cpuModel, machine),
  preview,
  // What was seen to work: the firmware of arm64 boards has tables of its own.
  takesCredentials: ({ arch }, { login }) => arch === 'amd64' && login === 'auto',
  launch,
  layers: { memory: { fingerprint, resume } },
  reap: (resource) => reapProcess(resource),
});
