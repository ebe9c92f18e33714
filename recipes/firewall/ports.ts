/** Inclusive range of ports of one protocol. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

export const CNIS = ['calico', 'cilium', 'flannel'] as const;
export type Cni = (typeof CNIS)[number];

export const ROLES = ['control-plane', 'worker'] as const;
export type Role = (typeof ROLES)[number];

/** What a firewall of ours lets in; each backend says it its own way. SSH, ICMP, loopback, DHCP answers and pods come in anyway. */
export interface Openings {
  readonly ssh: PortRange;
  /** From anywhere: what clients of the cluster talk to. */
  readonly all: readonly PortRange[];
  /** From other nodes: only from `sources`, when there are any. */
  readonly nodes: readonly PortRange[];
  /** IP protocols by number, from other nodes. */
  readonly protocols: readonly IpProtocol[];
  /** Networks of the nodes, in CIDR form; empty: anywhere. */
  readonly sources: readonly string[];
  /** Interfaces of pods, with `*`; everything from them comes in and nothing is kept from being forwarded to them. */
  readonly podInterfaces: readonly string[];
}

export interface IpProtocol {
  readonly number: number;
  readonly name: 'ipencap' | 'esp';
}

const tcp = (from: number, to = from): PortRange => ({ from, to, protocol: 'tcp' });
const udp = (from: number, to = from): PortRange => ({ from, to, protocol: 'udp' });

/** "Ports and Protocols" of the Kubernetes documentation; the API server and node ports are apart, they are for everybody. */
const OF_ROLE: Readonly<Record<Role, readonly PortRange[]>> = {
  // etcd, kubelet, health of kube-proxy, controller manager, scheduler.
  'control-plane': [tcp(2379, 2380), tcp(10250), tcp(10256), tcp(10257), tcp(10259)],
  worker: [tcp(10250), tcp(10256)],
};

/**
 * Calico: "System requirements for Kubernetes" (BGP, VXLAN, Typha, WireGuard for IPv4 and IPv6, IP in IP). Cilium: "Firewall Rules" of its
 * system requirements (health, Hubble and its relay, mutual authentication, metrics, VXLAN, Geneve, WireGuard, ESP); what it lists as
 * listening on 127.0.0.1 needs no opening. Flannel: "Firewalls" of its troubleshooting page (udp and vxlan backends).
 */
const OF_CNI: Readonly<Record<Cni, { readonly ports: readonly PortRange[]; readonly protocols: readonly IpProtocol[] }>> = {
  calico: {
    ports: [tcp(179), tcp(5473), udp(4789), udp(51820, 51821)],
    protocols: [{ number: 4, name: 'ipencap' }],
  },
  cilium: {
    ports: [tcp(4240), tcp(4244, 4245), tcp(4250), tcp(9962, 9964), udp(6081), udp(8472), udp(51871)],
    protocols: [{ number: 50, name: 'esp' }],
  },
  flannel: { ports: [udp(8285), udp(8472)], protocols: [] },
};

/** `8080/tcp` or `9000-9100/udp`; undefined when it is neither. */
export function parsePort(text: string): PortRange | undefined {
  const [, from, to = from, protocol] = /^(\d{1,5})(?:-(\d{1,5}))?\/(tcp|udp|sctp)$/.exec(text) ?? [];
  if (from === undefined || to === undefined) return undefined;
  const range = { from: Number(from), to: Number(to), protocol: protocol as PortRange['protocol'] };
  return range.from >= 1 && range.from <= range.to && range.to <= 65_535 ? range : undefined;
}

export function portsOfNodes(roles: readonly Role[], cnis: readonly Cni[]): readonly PortRange[] {
  return distinct([...roles.flatMap((role) => OF_ROLE[role]), ...cnis.flatMap((cni) => OF_CNI[cni].ports)]);
}

export function nodeProtocols(cnis: readonly Cni[]): readonly IpProtocol[] {
  return cnis.flatMap((cni) => OF_CNI[cni].protocols);
}

/** Sorted by protocol and port, without ranges that are named twice. */
export function distinct(ranges: readonly PortRange[]): readonly PortRange[] {
  const byText = new Map(ranges.map((range) => [`${range.protocol} ${range.from} ${range.to}`, range]));
  return [...byText.values()].sort((a, b) => a.protocol.localeCompare(b.protocol) || a.from - b.from || a.to - b.to);
}

/** `6443` or `2379-2380`, with another separator for the programs that want one. */
export function portText({ from, to }: PortRange, separator = '-'): string {
  return from === to ? String(from) : `${from}${separator}${to}`;
}

export function isIpv6(cidr: string): boolean {
  return cidr.includes(':');
}
