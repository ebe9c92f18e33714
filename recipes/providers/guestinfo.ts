import { type Action, type Check, type RecipeContext, sh } from '../../src/core/index.ts';
import { guestinfoProgram } from './guestinfo-program.ts';

const PROGRAM = '/usr/libexec/kib-guestinfo';
const UNIT = 'kib-guestinfo.service';

/**
 * Before cloud-init's first stage, with that one's own dependencies: local-fs.target would be too much, since cloud-init may make mounts that wait for it.
 * vmware-rpctool asks the hypervisor itself, so vmtoolsd need not run. By cloud-init's Python, which has what the program needs. The seal removes
 * /var/lib/cloud, and SELinux has a name for it.
 */
export const GUESTINFO_UNIT = `[Unit]
Description=Give cloud-init what VMware's guestinfo has for it
DefaultDependencies=no
RequiresMountsFor=/var/lib/cloud
After=systemd-remount-fs.service
Before=cloud-init-local.service shutdown.target
Conflicts=shutdown.target
ConditionVirtualization=vmware
ConditionPathExists=!/etc/cloud/cloud-init.disabled

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec $$(sed -n "1s/^#![[:space:]]*//p" /usr/bin/cloud-init) ${PROGRAM}'
ExecStartPost=-/sbin/restorecon -R /var/lib/cloud
TimeoutStartSec=60
StandardOutput=journal+console

[Install]
WantedBy=cloud-init-local.service
`;

/**
 * ds-identify looks before any unit runs, and so before the seed is there: it would settle on OVF, which it finds on every VMware machine with CentOS 7's
 * configuration, or on nothing. Mode enabled leaves the search to cloud-init (tools/ds-identify of cloud-init 19.4).
 */
const DS_IDENTIFY: Action = { kind: 'file', path: '/etc/cloud/ds-identify.cfg', text: 'policy: enabled\n' };

/** Guestinfo for a cloud-init that has no datasource for it. */
export function guestinfoActions({ os }: RecipeContext): readonly Action[] {
  if (os.lacksVmwareDatasource !== true) return [];
  return [
    { kind: 'file', path: PROGRAM, text: guestinfoProgram() },
    { kind: 'file', path: `/etc/systemd/system/${UNIT}`, text: GUESTINFO_UNIT },
    { kind: 'service', unit: UNIT, enabled: true },
    DS_IDENTIFY,
  ];
}

/** What can be seen elsewhere than on VMware: that the program is one for the Python at hand, and what it imports is there. */
export function guestinfoChecks({ os }: RecipeContext): readonly Check[] {
  if (os.lacksVmwareDatasource !== true) return [];
  return [
    {
      name: 'providers/guestinfo',
      title: 'cloud-init gets what guestinfo has for it',
      script: sh`
        python=$(sed -n '1s/^#![[:space:]]*//p' /usr/bin/cloud-init)
        $python -c 'import sys, yaml; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' ${PROGRAM}
        systemctl is-enabled ${UNIT}
      `,
      expect: { kind: 'equals', text: 'enabled' },
      when: ['build', 'boot'],
    },
  ];
}
