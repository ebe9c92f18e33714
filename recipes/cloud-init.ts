import { z } from 'zod';
import { type Action, type Check, defineRecipe, type OsDefinition, sh } from '../src/core/index.ts';

const PACKAGES: Readonly<Record<OsDefinition['family'], readonly string[]>> = {
  debian: ['cloud-init', 'cloud-guest-utils'],
  rhel: ['cloud-init', 'cloud-utils-growpart'],
  photon: ['cloud-init', 'cloud-utils'],
};
const STATUS_TIMEOUT_MS = 600_000;

const params = z.strictObject({
  datasources: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('Where to look for user data, in order, such as NoCloud and VMware; default: as the base does'),
});

/** First boot: what configures the finished image where it is used. */
export const cloudInit = defineRecipe({
  name: 'cloud-init',
  summary: 'cloud-init for the first boot, after containerd, with a growing root file system',
  params,
  after: ['containerd'],
  packages: ({ os }) => PACKAGES[os.family].map((name) => ({ name })),
  steps: ({ recipes }, { datasources }) => [
    ...(recipes.includes('containerd') ? ['cloud-config', 'cloud-final'].map(afterContainerd) : []),
    ...(datasources === undefined ? [] : [datasourceList(datasources)]),
  ],
  checks: () => [statusCheck],
});

/** User data that calls kubeadm or ctr needs a running containerd. */
function afterContainerd(unit: string): Action {
  return {
    kind: 'file',
    path: `/etc/systemd/system/${unit}.service.d/10-kib-containerd.conf`,
    text: '[Unit]\nAfter=containerd.service\n',
  };
}

function datasourceList(names: readonly string[]): Action {
  // Debian's own list is 90_dpkg.cfg; ds-identify(8) and cloud-init take the last.
  return {
    kind: 'file',
    path: '/etc/cloud/cloud.cfg.d/95-kib-datasources.cfg',
    text: `datasource_list: [${names.join(', ')}]\n`,
  };
}

const statusCheck: Check = {
  name: 'cloud-init/status',
  title: 'cloud-init is done',
  // Exit status 2 is done with a warning (cloud-init 23.4); 22.x has no such thing.
  script: sh`
    cloud-init status --wait >/dev/null || [ "$?" -eq 2 ]
    cloud-init status --long || [ "$?" -eq 2 ]
  `,
  expect: { kind: 'matches', pattern: '^status: done$' },
  when: ['boot'],
  timeoutMs: STATUS_TIMEOUT_MS,
};
