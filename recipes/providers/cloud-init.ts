import { type Action, type Check, type OsDefinition, type RecipeContext, sh } from '../../src/core/index.ts';
import type { Target } from './targets.ts';

/** cloud-init's names of what each target has user data in (cloudinit.readthedocs.io, "Datasources"). */
const DATASOURCES: Readonly<Partial<Record<Target, readonly string[]>>> = {
  vmware: ['VMware', 'OVF'],
  aws: ['Ec2'],
  gcp: ['GCE'],
};

/** A seed of NoCloud or a config drive goes with every hypervisor; None ends the search. */
const EVERYWHERE = ['NoCloud', 'ConfigDrive', 'None'];

/**
 * An image for certain clouds only looks nowhere else; one for QEMU or metal may be started by any of them, and looks as the system does. Where guestinfo
 * becomes a seed of NoCloud (guestinfo.ts), that stands in VMware's place.
 */
export function datasourcesOf(
  targets: readonly Target[],
  { lacksVmwareDatasource }: Pick<OsDefinition, 'lacksVmwareDatasource'>,
): readonly string[] | undefined {
  const certain = targets.map((target) => DATASOURCES[target]);
  if (targets.length === 0 || certain.includes(undefined)) return undefined;
  const names = certain.flatMap((some) => some ?? []);
  const known = lacksVmwareDatasource === true ? names.map((name) => (name === 'VMware' ? 'NoCloud' : name)) : names;
  return [...new Set([...known, ...EVERYWHERE])];
}

export interface CloudInitSettings {
  readonly timestamps: boolean;
  /** See ERROR_ON_USER_DATA_FAILURE in cloudinit/features.py. */
  readonly ignoresUserDataFailure: boolean;
}

export function cloudInitActions(
  { os }: RecipeContext,
  targets: readonly Target[],
  { timestamps, ignoresUserDataFailure }: CloudInitSettings,
): readonly Action[] {
  const datasources = datasourcesOf(targets, os);
  return [
    ...(datasources === undefined
      ? []
      : [
          // After the distributions' own lists, before the one of the recipe cloud-init.
          {
            kind: 'file',
            path: '/etc/cloud/cloud.cfg.d/93-kib-datasources.cfg',
            text: `datasource_list: [${datasources.join(', ')}]\n`,
          } as const,
        ]),
    ...(timestamps ? [{ kind: 'file', path: '/etc/cloud/cloud.cfg.d/94-kib-logging.cfg', text: LOGGING } as const] : []),
    ...(ignoresUserDataFailure ? [goOn] : []),
    // Comes with Photon, and would keep cloud-init from the network that user data describes.
    ...(os.family === 'photon'
      ? [{ kind: 'remove', paths: ['/etc/cloud/cloud.cfg.d/99-disable-networking-config.cfg'] } as const]
      : []),
    ...(os.family === 'debian' ? [] : [enableUnits]),
    { kind: 'mask', units: HYPERV[os.family] },
  ];
}

/** Lines of what cloud-init runs, in /var/log/cloud-init-output.log with their time. awk(1) would hold them back until it has many. */
const LOGGING = `output: {all: '| while IFS= read -r line; do printf "[%s] %s\\n" "$(date "+%Y-%m-%d %H:%M:%S")" "$line"; done | tee -a /var/log/cloud-init-output.log'}\n`;

/**
 * Cluster API's user data for AWS includes a file that only exists when its boot hook has run, which cloud-init takes for a failure. The setting is
 * a constant of its source since 20.3, where distributions change it; older ones have no such failure.
 */
const goOn: Action = {
  kind: 'exec',
  title: 'have cloud-init go on when a part of user data cannot be read',
  script: sh`
    python=$(sed -n '1s/^#![[:space:]]*//p' "$(command -v cloud-init)")
    $python -c 'import cloudinit'
    file=$($python -c 'import cloudinit.features; print(cloudinit.features.__file__)' 2>/dev/null) || exit 0
    sed -i 's/^ERROR_ON_USER_DATA_FAILURE = True$/ERROR_ON_USER_DATA_FAILURE = False/' "$file"
    grep -qx 'ERROR_ON_USER_DATA_FAILURE = False' "$file"
  `,
  timeoutMs: 120_000,
};

/** Some systems come with a part of them disabled. Since 24.3 the second is called cloud-init-network. */
const enableUnits: Action = {
  kind: 'exec',
  title: 'enable all of cloud-init',
  script: sh`
    for unit in cloud-init-local cloud-init cloud-init-network cloud-config cloud-final; do
      if [ -e "/usr/lib/systemd/system/$unit.service" ]; then systemctl --no-reload enable "$unit.service"; fi
    done
  `,
  timeoutMs: 120_000,
};

/** Guest services of Hyper-V, which none of the targets is. Ubuntu's, Debian's and Enterprise Linux's names. */
const HYPERV: Readonly<Record<RecipeContext['os']['family'], readonly string[]>> = {
  debian: [
    ...['fcopy', 'kvp', 'vss'].map((name) => `hv-${name}-daemon.service`),
    ...['fcopy', 'kvp', 'vss'].map((name) => `hyperv-daemons.hv-${name}-daemon.service`),
  ],
  rhel: ['hypervfcopyd.service', 'hypervkvpd.service', 'hypervvssd.service'],
  photon: ['hv_fcopy_daemon.service', 'hv_kvp_daemon.service', 'hv_vss_daemon.service'],
};

export function cloudInitChecks(
  { os }: RecipeContext,
  targets: readonly Target[],
  { ignoresUserDataFailure }: CloudInitSettings,
): readonly Check[] {
  const datasources = datasourcesOf(targets, os);
  return [
    ...(datasources === undefined
      ? []
      : [
          {
            name: 'providers/datasources',
            title: `cloud-init looks for ${datasources.join(', ')}`,
            script: sh`cloud-id`,
            expect: { kind: 'matches', pattern: `^(${datasources.join('|').toLowerCase()}|aws|gce|vmware)$` },
            when: ['boot'],
          } as const,
        ]),
    ...(ignoresUserDataFailure
      ? [
          {
            name: 'providers/user-data',
            title: 'cloud-init goes on when a part of user data cannot be read',
            script: sh`
              python=$(sed -n '1s/^#![[:space:]]*//p' "$(command -v cloud-init)")
              $python -c 'import cloudinit'
              $python -c 'import cloudinit.features' 2>/dev/null || { echo False; exit 0; }
              $python -c 'from cloudinit import features; print(features.ERROR_ON_USER_DATA_FAILURE)'
            `,
            expect: { kind: 'equals', text: 'False' },
            when: ['build', 'boot'],
          } as const,
        ]
      : []),
  ];
}
