import { type Action, type Check, type PackageRequest, type RecipeContext, sh } from '../../src/core/index.ts';
import { guestinfoActions, guestinfoChecks } from './guestinfo.ts';

/** Interfaces of pods and of Open vSwitch, whose addresses vCenter must not take for the node's. */
const EXCLUDED = [
  'antrea-*',
  'cali*',
  'cilium*',
  'lxc*',
  'ovs-system',
  'br*',
  'cni*',
  'flannel*',
  'veth*',
  'vxlan_sys_*',
  'genev_sys_*',
  'gre_sys_*',
  'stt_sys_*',
  // Antrea's: eight characters, a hyphen and six more.
  '????????-??????',
];
const PRESERVE = '/etc/cloud/cloud.cfg.d/99-kib-preserve-hostname.cfg';
const UNIT = 'kib-preserve-hostname.service';

/** As kubernetes-sigs/image-builder (roles/providers/tasks/vmware-photon.yml): Photon's cloud-init does not bring what its VMware datasource reads addresses by. */
export function vmwarePackages({ os }: RecipeContext): readonly PackageRequest[] {
  return ['open-vm-tools', ...(os.family === 'photon' ? ['python3-netifaces'] : [])].map((name) => ({ name }));
}

/** The node joins its cluster by the name of its first boot; later boots must not give it another (cloud-init, preserve_hostname). */
const PRESERVE_UNIT = `[Unit]
Description=Keep the host name of the first boot
After=cloud-final.service
ConditionPathExists=!${PRESERVE}

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "preserve_hostname: true" >${PRESERVE}'

[Install]
WantedBy=cloud-init.target
`;

/** The package enables its own unit. */
export function vmwareActions(context: RecipeContext): readonly Action[] {
  return [
    { kind: 'file', path: '/etc/vmware-tools/tools.conf', text: `[guestinfo]\nexclude-nics=${EXCLUDED.join(',')}\n` },
    { kind: 'file', path: `/etc/systemd/system/${UNIT}`, text: PRESERVE_UNIT },
    { kind: 'service', unit: UNIT, enabled: true },
    ...guestinfoActions(context),
  ];
}

/** Undoes what a reboot in the middle of the build did. */
export const vmwareSeal: readonly Action[] = [{ kind: 'remove', paths: [PRESERVE] }];

function toolsUnit({ family }: RecipeContext['os']): string {
  return family === 'debian' ? 'open-vm-tools.service' : 'vmtoolsd.service';
}

/** The program and its unit run on VMware alone; elsewhere it does not even tell its version. */
export function vmwareChecks(context: RecipeContext): readonly Check[] {
  const unit = toolsUnit(context.os);
  return [
    {
      name: 'providers/open-vm-tools',
      title: 'open-vm-tools are there, and start on VMware',
      script: sh`
        command -v vmtoolsd
        systemctl is-enabled ${unit}
        systemctl cat ${unit} | grep ConditionVirtualization
      `,
      expect: { kind: 'matches', pattern: '^enabled$' },
      when: ['build', 'boot'],
    },
    {
      name: 'providers/preserve-hostname',
      title: 'the host name of the first boot stays',
      script: sh`
        for try in 1 2 3 4 5 6 7 8 9 10; do
          if [ -e ${PRESERVE} ]; then break; fi
          sleep 3
        done
        cat ${PRESERVE}
      `,
      expect: { kind: 'equals', text: 'preserve_hostname: true' },
      when: ['boot'],
    },
    ...guestinfoChecks(context),
  ];
}
