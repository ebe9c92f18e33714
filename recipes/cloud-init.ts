import { z } from 'zod';
import { type Action, type Check, defineRecipe, type OsDefinition, sh } from '../src/core/index.ts';
import { type Runtime, runtimeOf } from './runtime.ts';

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
  summary: 'cloud-init for the first boot, after the container runtime, with a growing root file system',
  params,
  after: ['containerd', 'crio'],
  packages: ({ os }) => PACKAGES[os.family].map((name) => ({ name })),
  steps: (context, { datasources }) => [
    ...afterRuntime(runtimeOf(context)),
    ...(datasources === undefined ? [] : [datasourceList(datasources)]),
  ],
  checks: () => [statusCheck],
});

/** User data that calls kubeadm or ctr needs a running container runtime. */
function afterRuntime(runtime: Runtime | undefined): readonly Action[] {
  if (runtime === undefined) return [];
  return ['cloud-config', 'cloud-final'].map((unit) => ({
    kind: 'file',
    path: `/etc/systemd/system/${unit}.service.d/10-kib-${runtime.name}.conf`,
    text: `[Unit]\nAfter=${runtime.unit}\n`,
  }));
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
