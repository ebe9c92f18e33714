import { type Action, type Check, lines, sh } from '../../src/core/index.ts';
import { isIpv6, type Openings, type PortRange, portText } from './ports.ts';

const PROFILES = '/etc/ufw/applications.d/kib';
/**
 * Ports as application profiles, so that `ufw status` shows two names rather than twenty ports. Forwarding is left to kube-proxy and the network
 * add-on: ufw would drop what pods send.
 */
export function ufwActions(openings: Openings): readonly Action[] {
  const { ssh, all, nodes, sources } = openings;
  return [
    {
      kind: 'file',
      path: PROFILES,
      text: [profile('kib-clients', 'Clients of the cluster', [ssh, ...all]), profile('kib-nodes', 'Between nodes', nodes)].join(
        '\n',
      ),
    },
    { kind: 'file', path: '/etc/ufw/kib-before.rules', text: before(openings, 'ufw', false) },
    { kind: 'file', path: '/etc/ufw/kib-before6.rules', text: before(openings, 'ufw6', true) },
    {
      kind: 'exec',
      // ufw-framework(8): rules that come before those of its command line, which knows no IP in IP.
      title: 'let pods and tunnels of nodes in',
      script: sh`
        for rules in before before6; do
          if ! grep -q '^# kib: begin$' "/etc/ufw/$rules.rules"; then
            sed -i "/^# End required lines/r /etc/ufw/kib-$rules.rules" "/etc/ufw/$rules.rules"
          fi
          grep -q '^# kib: begin$' "/etc/ufw/$rules.rules"
          rm "/etc/ufw/kib-$rules.rules"
        done
        sed -i 's/^DEFAULT_FORWARD_POLICY=.*/DEFAULT_FORWARD_POLICY="ACCEPT"/' /etc/default/ufw
        grep -Fqx 'DEFAULT_FORWARD_POLICY="ACCEPT"' /etc/default/ufw
      `,
      timeoutMs: 60_000,
    },
    {
      kind: 'exec',
      title: 'open the ports and turn the firewall on',
      script: lines([
        sh`ufw allow kib-clients`,
        ...(sources.length === 0
          ? [sh`ufw allow kib-nodes`]
          : sources.map((cidr) => sh`ufw allow from ${cidr} to any app kib-nodes`)),
        sh`ufw --force enable`,
      ]),
      timeoutMs: 300_000,
    },
    { kind: 'service', unit: 'ufw.service', enabled: true },
  ];
}

/** iptables-extensions(8), multiport: this many ports in one rule, a range counting twice. */
const PORTS_PER_RULE = 15;

/** ufw(8), "APPLICATION INTEGRATION". */
function profile(name: string, title: string, ranges: readonly PortRange[]): string {
  const ports = [...new Set(ranges.map(({ protocol }) => protocol))].flatMap((protocol) =>
    chunks(ranges.filter((range) => range.protocol === protocol)).map(
      (chunk) => `${chunk.map((range) => portText(range, ':')).join(',')}/${protocol}`,
    ),
  );
  return `[${name}]\ntitle=${title}\ndescription=${title}\nports=${ports.join('|')}\n`;
}

function chunks(ranges: readonly PortRange[]): readonly (readonly PortRange[])[] {
  const weight = (all: readonly PortRange[]) => all.reduce((sum, { from, to }) => sum + (from === to ? 1 : 2), 0);
  return ranges.reduce<readonly (readonly PortRange[])[]>((done, range) => {
    const last = [...(done.at(-1) ?? []), range];
    return done.length > 0 && weight(last) <= PORTS_PER_RULE ? [...done.slice(0, -1), last] : [...done, [range]];
  }, []);
}

function before({ podInterfaces, protocols, sources }: Openings, prefix: 'ufw' | 'ufw6', ipv6: boolean): string {
  const chain = `-A ${prefix}-before-input`;
  const froms = sources.length === 0 ? [''] : sources.filter((cidr) => isIpv6(cidr) === ipv6).map((cidr) => ` -s ${cidr}`);
  const rules = [
    ...podInterfaces.map((name) => `${chain} -i ${name.replace(/\*$/, '+')} -j ACCEPT`),
    ...froms.flatMap((from) => protocols.map(({ number }) => `${chain}${from} -p ${number} -j ACCEPT`)),
  ];
  return `# kib: begin\n${rules.join('\n')}\n# kib: end\n`;
}

export const ufwCheck: Check = {
  name: 'firewall/rules',
  title: 'the rules of the firewall are live',
  script: sh`
    systemctl is-enabled ufw.service
    ufw status verbose
  `,
  expect: { kind: 'matches', pattern: '^enabled\\nStatus: active\\n[^]*kib-clients' },
  when: ['build', 'boot'],
};
