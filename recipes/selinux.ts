import { z } from 'zod';
import { type Action, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { runtimeOf } from './runtime.ts';

const RELABEL_TIMEOUT_MS = 1_800_000;

const params = z.strictObject({
  mode: z
    .enum(['enforcing', 'permissive'])
    .optional()
    .describe('enforcing, or permissive to log only; default: enforcing, on Amazon Linux permissive as it comes'),
});

type Params = z.output<typeof params>;

/** SELinux as the distribution means it. Container runtimes work with it when container-selinux is there (selinux(8), container_selinux(8)). */
export const selinux = defineRecipe({
  name: 'selinux',
  summary: 'SELinux stays enforcing, on systems that have it',
  params,
  after: ['node', 'containerd', 'crio'],
  validate: ({ os }, { mode }) =>
    os.selinux || mode === undefined
      ? []
      : [{ path: 'recipes.selinux.mode', message: `${os.title} has no SELinux policy`, hint: 'remove recipes.selinux' }],
  packages: (context) => (context.os.selinux && runtimeOf(context) !== undefined ? [{ name: 'container-selinux' }] : []),
  steps: (context, params) => (context.os.selinux ? configure(modeOf(context, params)) : []),
  // What was written since the policy came may have another label than it would be given at boot.
  seal: ({ os }) =>
    os.selinux
      ? [
          {
            kind: 'exec',
            title: 'label files as the policy says',
            script: sh`
              for path in /etc /opt /root /usr/local /var/lib; do
                if [ -e "$path" ]; then restorecon -R "$path"; fi
              done
            `,
            timeoutMs: RELABEL_TIMEOUT_MS,
          },
        ]
      : [],
  checks: (context, params) =>
    context.os.selinux
      ? [
          {
            name: 'selinux/mode',
            title: `SELinux is ${modeOf(context, params)}`,
            script: sh`getenforce`,
            expect: { kind: 'equals', text: modeOf(context, params) === 'enforcing' ? 'Enforcing' : 'Permissive' },
            when: ['build', 'boot'],
          },
          ...(runtimeOf(context) === undefined
            ? []
            : [
                {
                  name: 'selinux/containers',
                  title: 'the policy knows containers',
                  script: sh`matchpathcon -n /var/lib/kubelet/pods/x/volumes/y`,
                  expect: { kind: 'matches', pattern: ':container_(file|var_lib)_t:' },
                  when: ['build', 'boot'],
                } as const,
              ]),
        ]
      : [],
});

function modeOf({ os }: RecipeContext, { mode }: Params): 'enforcing' | 'permissive' {
  return mode ?? (os.distribution === 'amzn' ? 'permissive' : 'enforcing');
}

/** A system that was booted without SELinux has unlabelled files; it labels them on the way up (selinux(8), /.autorelabel) and restarts. */
function configure(mode: 'enforcing' | 'permissive'): readonly Action[] {
  return [
    {
      kind: 'exec',
      title: `make SELinux ${mode}`,
      script: sh`
        sed -i ${`s/^SELINUX=.*/SELINUX=${mode}/`} /etc/selinux/config
        grep -Fqx ${`SELINUX=${mode}`} /etc/selinux/config
        if command -v grubby >/dev/null; then grubby --update-kernel=ALL --remove-args='selinux enforcing'; fi
        if [ "$(getenforce)" = Disabled ]; then touch /.autorelabel; else setenforce ${mode === 'enforcing' ? 1 : 0}; fi
      `,
      timeoutMs: 300_000,
    },
    {
      kind: 'reboot',
      title: 'reboot to label all files, if SELinux was off',
      timeoutMs: RELABEL_TIMEOUT_MS,
      unless: sh`[ "$(getenforce)" != Disabled ]`,
    },
  ];
}
