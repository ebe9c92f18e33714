import { z } from 'zod';
import { type Action, type Check, defineRecipe, hostFile, sh } from '../src/core/index.ts';
import { FIRST_BOOT_UNIT, firstBootScript, firstBootUnit, PATHS, runnerText } from './first-boot-files.ts';

const WANTED = `/etc/systemd/system/multi-user.target.wants/${FIRST_BOOT_UNIT}`;

const nameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens')
  .describe('Name, for the journal');

const params = z.strictObject({
  scripts: z
    .array(
      z.union([
        z.strictObject({ name: nameSchema, shell: z.string().min(1).describe('POSIX sh, run as root with set -eu') }),
        z.strictObject({
          name: nameSchema,
          script: hostFile({ text: true }).describe('Path of a script on this host, run by its own first line'),
        }),
      ]),
    )
    .max(40)
    .default([])
    .describe('What to run, in order. A machine that dies in the middle of one runs it again'),
  attempts: z.int().min(1).max(100).default(3).describe('How often a script is tried per boot; the next boot tries again'),
  retrySeconds: z.int().min(0).default(10).describe('Wait between attempts'),
  timeoutSeconds: z.int().positive().default(3600).describe('Deadline of one attempt'),
  hostnameSeconds: z.int().min(0).default(120).describe('How long to wait for a host name other than localhost'),
  beforeSsh: z.boolean().default(false).describe('Whether logins wait until it is over, also when it failed'),
  verifySeconds: z
    .int()
    .min(0)
    .default(600)
    .describe('How long the verdict waits on the booted image until all has succeeded and is gone; 0: it does not look'),
});

/**
 * Runs scripts once, on the machine that an image becomes: when it has its own host name and network. The image's build never runs them, since
 * the unit is enabled as the image is sealed. Afterwards nothing of it is left but the journal.
 */
export const firstBoot = defineRecipe({
  name: 'first-boot',
  summary: 'scripts that run once, when the machine has its own host name',
  params,
  optional: true,
  after: ['cloud-init'],
  validate: ({ recipes }, { scripts }) => [
    ...(scripts.length === 0 && !recipes.includes('kubevirt')
      ? [{ path: 'recipes.first-boot.scripts', message: 'names nothing to run', hint: 'add a script, or remove first-boot' }]
      : []),
    ...scripts.flatMap((script, index) =>
      'script' in script && script.script.text?.startsWith('#!') !== true
        ? [
            {
              path: `scripts.${index}.script`,
              message: `${script.script.path} does not say what runs it`,
              hint: 'begin its first line with #!, such as #!/bin/sh',
            },
          ]
        : [],
    ),
  ],
  steps: ({ os }, params) => [
    { kind: 'file', path: `${PATHS.folder}/run`, text: runnerText(params), mode: '0755' },
    ...params.scripts.map(
      (script, index): Action => ({
        kind: 'file',
        path: firstBootScript(10 + index, script.name),
        text: 'shell' in script ? `#!/bin/sh\nset -eu\n${script.shell}\n` : (script.script.text ?? ''),
        mode: '0700',
      }),
    ),
    { kind: 'file', path: PATHS.unit, text: firstBootUnit(params.beforeSsh ? [os.sshUnit] : []) },
  ],
  // Not before: a reboot while the image is built would be a first boot.
  seal: () => [{ kind: 'service', unit: FIRST_BOOT_UNIT, enabled: true }],
  checks: (_context, { verifySeconds }) => [readyCheck, ...(verifySeconds === 0 ? [] : [goneCheck(verifySeconds)])],
});

const readyCheck: Check = {
  name: 'first-boot/ready',
  title: 'first boot is prepared, and has not happened yet',
  script: sh`
    test -x ${`${PATHS.folder}/run`}
    systemctl show --property LoadState ${FIRST_BOOT_UNIT} | grep -Fqx LoadState=loaded
    systemctl show --property ExecMainStartTimestampMonotonic ${FIRST_BOOT_UNIT}
  `,
  expect: { kind: 'equals', text: 'ExecMainStartTimestampMonotonic=0' },
  when: ['build'],
};

/** It may not have been reached yet when this is asked; how it ends is what counts. */
function goneCheck(seconds: number): Check {
  return {
    name: 'first-boot/done',
    title: 'first boot succeeded and removed itself',
    script: sh`
      while [ -e ${PATHS.folder} ]; do
        if systemctl is-failed --quiet ${FIRST_BOOT_UNIT}; then
          cat ${PATHS.status} >&2
          exit 1
        fi
        sleep 1
      done
      ls -d ${PATHS.unit} ${PATHS.status} ${WANTED} 2>/dev/null || :
    `,
    expect: { kind: 'equals', text: '' },
    when: ['boot'],
    timeoutMs: seconds * 1000,
  };
}
