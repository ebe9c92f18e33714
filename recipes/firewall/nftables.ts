import { type Action, type Check, sh } from '../../src/core/index.ts';
import { isIpv6, type Openings, type PortRange, portText } from './ports.ts';

const RULES = '/etc/kib/firewall.nft';
const UNIT = 'kib-firewall.service';

/**
 * One table of our own, replaced in one go. The distributions' nftables.service is left alone: its file begins with `flush ruleset`, which
 * would take the rules of kube-proxy and the network add-on away with each reload. Nothing is said about forwarded packets (nft(8)).
 */
export function nftablesActions(openings: Openings): readonly Action[] {
  return [
    { kind: 'file', path: RULES, text: rulesText(openings), mode: '0600' },
    { kind: 'file', path: `/etc/systemd/system/${UNIT}`, text: UNIT_TEXT },
    { kind: 'exec', title: 'check the rules of the firewall', script: sh`nft --check --file ${RULES}`, timeoutMs: 60_000 },
    { kind: 'service', unit: UNIT, enabled: true, state: 'restarted' },
  ];
}

const UNIT_TEXT = `[Unit]
Description=Firewall of the node
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target systemd-modules-load.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file ${RULES}
ExecReload=/usr/sbin/nft --file ${RULES}
ExecStop=/usr/sbin/nft delete table inet kib-firewall

[Install]
WantedBy=sysinit.target
`;

function rulesText({ ssh, all, nodes, protocols, sources, podInterfaces }: Openings): string {
  const froms =
    sources.length === 0
      ? ['']
      : [
          addresses(
            'ip',
            sources.filter((cidr) => !isIpv6(cidr)),
          ),
          addresses('ip6', sources.filter(isIpv6)),
        ];
  const rules = [
    'ct state established,related accept',
    'ct state invalid drop',
    'iifname "lo" accept',
    // One rule each: sets of names with `*` came with nft 1.0.3 only.
    ...podInterfaces.map((name) => `iifname "${name}" accept`),
    'meta l4proto { icmp, ipv6-icmp } accept',
    'udp sport 67 udp dport 68 accept',
    'udp sport 547 udp dport 546 accept',
    ...accept([ssh]),
    ...accept(all),
    ...froms
      .filter((from) => from !== undefined)
      .flatMap((from) => [
        ...accept(nodes, from),
        ...(protocols.length === 0 ? [] : [`${from}meta l4proto { ${protocols.map(({ number }) => number).join(', ')} } accept`]),
      ]),
  ];
  // Naming the table before deleting it makes the file right for the first load too.
  return `table inet kib-firewall
delete table inet kib-firewall

table inet kib-firewall {
  chain input {
    type filter hook input priority 0; policy drop;
${rules.map((rule) => `    ${rule}`).join('\n')}
  }
}
`;
}

function addresses(family: 'ip' | 'ip6', cidrs: readonly string[]): string | undefined {
  return cidrs.length === 0 ? undefined : `${family} saddr { ${cidrs.join(', ')} } `;
}

function accept(ranges: readonly PortRange[], from = ''): readonly string[] {
  return [...new Set(ranges.map(({ protocol }) => protocol))].map((protocol) => {
    const ports = ranges.filter((range) => range.protocol === protocol).map((range) => portText(range));
    return `${from}${protocol} dport { ${ports.join(', ')} } accept`;
  });
}

export const nftablesCheck: Check = {
  name: 'firewall/rules',
  title: 'the rules of the firewall are live',
  script: sh`
    systemctl is-enabled ${UNIT}
    nft list chain inet kib-firewall input | grep -Eo 'policy [a-z]+'
  `,
  expect: { kind: 'equals', text: 'enabled\npolicy drop' },
  when: ['build', 'boot'],
};
