import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { targetsOf } from './providers/targets.ts';

const params = z.strictObject({
  enabled: z
    .boolean()
    .optional()
    .describe(
      'Whether the agent is in the image; default: when it is built for QEMU and the system is not a cloud’s or VMware’s own',
    ),
  freezeHooks: z
    .boolean()
    .default(true)
    .describe('Whether programs in fsfreeze-hook.d are called before and after file systems are frozen for a snapshot'),
});

type Params = z.output<typeof params>;

/** Names of the files that Enterprise Linux and its kin have, and Debian's. */
const HOOKS = { debian: '/etc/qemu/fsfreeze-hook', other: '/etc/qemu-ga/fsfreeze-hook' } as const;

/** Lets the hypervisor ask the guest for its addresses, freeze its file systems and have it give freed blocks back (qemu-ga(8)). */
export const guestAgent = defineRecipe({
  name: 'guest-agent',
  summary: 'QEMU guest agent',
  params,
  after: ['node'],
  validate: ({ os }, { enabled }) =>
    enabled === true && os.family === 'photon'
      ? [{ path: 'recipes.guest-agent.enabled', message: `${os.title} has no package of the agent`, hint: 'remove it' }]
      : [],
  packages: (context, params) => (isWanted(context, params) ? [{ name: 'qemu-guest-agent' }] : []),
  steps: (context, params) =>
    isWanted(context, params) ? [...(params.freezeHooks ? freezeHooks(context) : []), startWithPort] : [],
  checks: (context, params) =>
    isWanted(context, params) ? [activeCheck, ...(params.freezeHooks ? [hookCheck(context)] : [])] : [],
});

/** Its udev rule starts it where the machine has the agent's port, when that appears: at the next boot. */
const startWithPort: Action = {
  kind: 'exec',
  title: 'start the guest agent where the machine has its port',
  script: sh`
    if [ -e /dev/virtio-ports/org.qemu.guest_agent.0 ]; then
      systemctl daemon-reload
      systemctl restart qemu-guest-agent.service
    fi
  `,
  timeoutMs: 120_000,
};

function isWanted(context: RecipeContext, { enabled }: Params): boolean {
  // Photon builds QEMU without its agent; Amazon Linux is for EC2, and not every release has it.
  const hasPackage = context.os.family !== 'photon' && context.os.distribution !== 'amzn';
  return enabled ?? (hasPackage && targetsOf(context).includes('qemu'));
}

function hookOf({ os }: RecipeContext): string {
  return os.family === 'debian' ? HOOKS.debian : HOOKS.other;
}

/**
 * The agent calls one program, with freeze or thaw; that of the package, which the folder's programs are called by, may be an example only.
 * Enterprise Linux passes it to the agent already.
 */
function freezeHooks(context: RecipeContext): readonly Action[] {
  const hook = hookOf(context);
  const text = `#!/bin/sh
# Called by qemu-ga with freeze or thaw; calls each program beside it, in reverse order to thaw.
set -u
order=
[ "\${1:-}" = thaw ] && order=--reverse
status=0
for hook in $(ls $order ${hook}.d); do
  hook=${hook}.d/$hook
  [ -f "$hook" ] && [ -x "$hook" ] || continue
  "$hook" "$@" || status=$?
done
exit "$status"
`;
  return [
    { kind: 'directory', path: `${hook}.d` },
    { kind: 'file', path: hook, text, mode: '0755' },
    ...(context.os.family === 'rhel'
      ? []
      : [
          {
            kind: 'file',
            path: '/etc/systemd/system/qemu-guest-agent.service.d/10-kib-freeze.conf',
            text: `[Service]\nExecStart=\nExecStart=-qemu-ga --fsfreeze-hook=${hook}\n`,
          } as const,
        ]),
  ];
}

const activeCheck: Check = {
  name: 'guest-agent/active',
  title: 'the guest agent is there, and runs where the machine has its port',
  script: sh`
    qemu-ga --version
    [ ! -e /dev/virtio-ports/org.qemu.guest_agent.0 ] || systemctl is-active qemu-guest-agent.service
  `,
  expect: { kind: 'success' },
  when: ['build', 'boot'],
};

/** Freezes nothing: calls the hook as the agent would, with a program of the check's own in its folder. */
function hookCheck(context: RecipeContext): Check {
  const hook = hookOf(context);
  return {
    name: 'guest-agent/hooks',
    title: 'a freeze hook is called',
    script: sh`
      trap ${`rm -f ${hook}.d/kib-check`} EXIT
      printf '#!/bin/sh\necho "called to $1"\n' >${`${hook}.d/kib-check`}
      chmod 0755 ${`${hook}.d/kib-check`}
      ${hook} freeze
      ${hook} thaw
      systemctl cat qemu-guest-agent.service | grep -E 'fsfreeze-hook|FSFREEZE_HOOK'
    `,
    expect: { kind: 'matches', pattern: '^called to freeze\\ncalled to thaw\\n' },
    when: ['build', 'boot'],
  };
}
