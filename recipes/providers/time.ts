import { type Action, type Check, type RecipeContext, sh } from '../../src/core/index.ts';
import { networkOf } from './targets.ts';

const SCRIPT = '/usr/local/lib/kib/dhcp-ntp';
const SOURCES = '/run/chrony-dhcp';
const LEASES = '/run/systemd/netif/leases';

/** Where NetworkManager leads, the package of chrony does this itself. */
function isNeeded({ os }: RecipeContext): boolean {
  return networkOf(os) !== 'NetworkManager' && os.distribution !== 'amzn';
}

/** chronyd reads the folder when told to (chrony.conf(5), sourcedir); Debian's configuration names it, Photon's need not. */
const TEXT = `#!/bin/sh
# Tells chronyd the time servers of the leases of systemd-networkd.
set -eu
mkdir -p ${SOURCES}
wanted=$(cat ${LEASES}/* 2>/dev/null | sed -n 's/^NTP=//p' | tr ' ' '\\n' | sed '/^$/d; s/.*/server & iburst/' | sort -u)
if [ "$wanted" = "$(cat ${SOURCES}/kib.sources 2>/dev/null || :)" ]; then exit 0; fi
printf '%s\\n' "$wanted" >${SOURCES}/kib.sources
chronyc reload sources
`;

const SERVICE = `[Unit]
Description=Time servers of DHCP for chrony
After=chrony.service chronyd.service
ConditionPathExists=/usr/bin/chronyc

[Service]
Type=oneshot
ExecStart=${SCRIPT}

[Install]
WantedBy=chrony.service chronyd.service
`;

const PATH = `[Unit]
Description=Leases with time servers

[Path]
PathModified=${LEASES}

[Install]
WantedBy=paths.target
`;

export function timeActions(context: RecipeContext): readonly Action[] {
  if (!isNeeded(context)) return [];
  return [
    { kind: 'file', path: SCRIPT, text: TEXT, mode: '0755' },
    { kind: 'file', path: '/etc/systemd/system/kib-dhcp-ntp.service', text: SERVICE },
    { kind: 'file', path: '/etc/systemd/system/kib-dhcp-ntp.path', text: PATH },
    ...(context.os.family === 'photon'
      ? [
          {
            kind: 'exec',
            title: 'have chrony read time servers of DHCP',
            script: sh`
              if [ -f /etc/chrony.conf ] && ! grep -q ${`^sourcedir ${SOURCES}`} /etc/chrony.conf; then
                echo ${`sourcedir ${SOURCES}`} >>/etc/chrony.conf
              fi
            `,
            timeoutMs: 60_000,
          } as const,
        ]
      : []),
    { kind: 'service', unit: 'kib-dhcp-ntp.service', enabled: true },
    { kind: 'service', unit: 'kib-dhcp-ntp.path', enabled: true, state: 'started' },
  ];
}

/** Makes a lease as systemd-networkd writes it, with an address for documentation (RFC 5737), and takes it back. */
export function timeChecks(context: RecipeContext): readonly Check[] {
  if (!isNeeded(context)) return [];
  return [
    {
      name: 'providers/dhcp-ntp',
      title: 'a time server that DHCP names is used',
      script: sh`
        if ! chronyc -n tracking >/dev/null; then echo 'no chrony here'; exit 0; fi
        trap ${`rm -f ${LEASES}/kib-check`} EXIT
        mkdir -p ${LEASES}
        echo 'NTP=192.0.2.123' >${`${LEASES}/kib-check`}
        for try in 1 2 3 4 5 6 7 8 9 10; do
          if chronyc -n sources | grep -F 192.0.2.123; then break; fi
          sleep 1
        done
      `,
      expect: { kind: 'matches', pattern: '192\\.0\\.2\\.123|^no chrony here$' },
      when: ['build', 'boot'],
    },
  ];
}
