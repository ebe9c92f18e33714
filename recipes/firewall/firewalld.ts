import { type Action, type Check, lines, sh } from '../../src/core/index.ts';
import { isIpv6, type Openings, type PortRange, portText } from './ports.ts';

const ZONE = 'kib-node';
const PODS = 'kib-pods';
/** Zones and policies share one set of names. */
const TO_PODS = 'kib-to-pods';

/**
 * Written as firewalld.zone(5), firewalld.service(5) and firewalld.policy(5) say, and read when firewalld starts. With its nftables backend it
 * keeps to a table of its own, so that kube-proxy's and the network add-on's rules survive its reloads. It does refuse what is forwarded between
 * zones: pods get a zone whose packets go anywhere, and a policy that lets those of other nodes in. NodePorts need neither, since it accepts
 * what has another destination by DNAT.
 */
export function firewalldActions(openings: Openings): readonly Action[] {
  const { ssh, all, nodes, protocols, sources, podInterfaces } = openings;
  const files: Readonly<Record<string, string>> = {
    'services/kib-clients': service('Clients of the cluster', [ssh, ...all], []),
    'services/kib-nodes': service(
      'Between nodes',
      nodes,
      protocols.map(({ name }) => name),
    ),
    [`zones/${ZONE}`]: nodeZone(sources),
    [`zones/${PODS}`]: podZone(podInterfaces),
    [`policies/${TO_PODS}`]: POLICY,
  };
  return [
    ...Object.entries(files).map(
      ([name, text]): Action => ({
        kind: 'file',
        path: `/etc/firewalld/${name}.xml`,
        text: `<?xml version="1.0" encoding="utf-8"?>\n${text}`,
      }),
    ),
    {
      kind: 'exec',
      title: `make ${ZONE} the default zone`,
      script: sh`
        sed -i ${`s/^DefaultZone=.*/DefaultZone=${ZONE}/`} /etc/firewalld/firewalld.conf
        grep -Fqx ${`DefaultZone=${ZONE}`} /etc/firewalld/firewalld.conf
        firewall-offline-cmd --check-config
      `,
      timeoutMs: 120_000,
    },
    { kind: 'service', unit: 'firewalld.service', enabled: true, state: 'restarted' },
  ];
}

function service(title: string, ranges: readonly PortRange[], protocols: readonly string[]): string {
  return `<service>
  <short>${title}</short>
${ranges.map((range) => `  <port protocol="${range.protocol}" port="${portText(range)}"/>\n`).join('')}${protocols.map((name) => `  <protocol value="${name}"/>\n`).join('')}</service>
`;
}

function nodeZone(sources: readonly string[]): string {
  const nodes =
    sources.length === 0
      ? '  <service name="kib-nodes"/>\n'
      : sources
          .map(
            (cidr) =>
              `  <rule family="${isIpv6(cidr) ? 'ipv6' : 'ipv4'}">\n    <source address="${cidr}"/>\n    <service name="kib-nodes"/>\n    <accept/>\n  </rule>\n`,
          )
          .join('');
  return `<zone>
  <short>Kubernetes node</short>
  <service name="kib-clients"/>
  <service name="dhcpv6-client"/>
${nodes}  <forward/>
</zone>
`;
}

/** A trailing + stands for any rest of the name. */
function podZone(interfaces: readonly string[]): string {
  return `<zone target="ACCEPT">
  <short>Pods</short>
${interfaces.map((name) => `  <interface name="${name.replace(/\*$/, '+')}"/>\n`).join('')}  <forward/>
</zone>
`;
}

const POLICY = `<policy target="ACCEPT">
  <short>Other nodes to pods</short>
  <ingress-zone name="${ZONE}"/>
  <egress-zone name="${PODS}"/>
</policy>
`;

export const firewalldCheck: Check = {
  name: 'firewall/rules',
  title: 'the rules of the firewall are live',
  script: lines([
    sh`
      systemctl is-enabled firewalld.service
      firewall-cmd --get-default-zone
      firewall-cmd --list-services
    `,
  ]),
  expect: { kind: 'matches', pattern: `^enabled\\n${ZONE}\\n.*\\bkib-clients\\b` },
  when: ['build', 'boot'],
};
