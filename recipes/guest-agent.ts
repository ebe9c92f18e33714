import { z } from 'zod';
import { defineRecipe, sh } from '../src/core/index.ts';

/** Lets the hypervisor ask the guest for its addresses and to freeze its file systems. */
export const guestAgent = defineRecipe({
  name: 'guest-agent',
  summary: 'QEMU guest agent',
  params: z.strictObject({}),
  after: ['node'],
  packages: () => [{ name: 'qemu-guest-agent' }],
  // Its udev rule starts it where the machine has the agent's port.
  steps: () => [],
  checks: () => [
    {
      name: 'guest-agent/active',
      title: 'the guest agent is there, and runs where the machine has its port',
      script: sh`
        qemu-ga --version
        [ ! -e /dev/virtio-ports/org.qemu.guest_agent.0 ] || systemctl is-active qemu-guest-agent.service
      `,
      expect: { kind: 'success' },
      when: ['build', 'boot'],
    },
  ],
});
