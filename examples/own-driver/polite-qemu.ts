import { setPriority } from 'node:os';
import { defineDriver } from 'kib-native';
import { qemu } from 'kib-native/drivers/qemu';
import { z } from 'zod';

/** QEMU as this package has it, but its machines step back behind whatever else the host has to do. */
export default defineDriver({
  name: 'polite-qemu',
  summary: 'QEMU of this host, with low priority',
  options: z.strictObject({
    niceness: z.number().int().min(0).max(19).default(10).describe('How much the machine steps back; 19 is most'),
    qemu: qemu.options.prefault({}).describe('Options of the driver qemu'),
  }),
  capabilities: qemu.capabilities,
  doctor: (options, machine, signal, probes) => qemu.doctor(options.qemu, machine, signal, probes),
  preview: (machine, options) => qemu.preview(machine, options.qemu),
  async launch(request, options, context) {
    const machine = await qemu.launch(request, options.qemu, context);
    try {
      setPriority(Number(machine.id.split(' ').at(-1)), options.niceness);
      return machine;
    } catch (error) {
      // When launch throws, nothing is left.
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  },
  // The processes are in the journal as the driver qemu's.
  reap: (resource) => qemu.reap(resource),
});
