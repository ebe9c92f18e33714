import { z } from 'zod';
import { type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import { firewalldActions, firewalldCheck } from './firewall/firewalld.ts';
import { nftablesActions, nftablesCheck } from './firewall/nftables.ts';
import { CNIS, distinct, nodeProtocols, type Openings, parsePort, portsOfNodes, portText, ROLES } from './firewall/ports.ts';
import { ufwActions, ufwCheck } from './firewall/ufw.ts';
import { POD_INTERFACES } from './network-manager.ts';

type Backend = 'firewalld' | 'nftables' | 'ufw';

/** A port that nothing of a node listens on (RFC 863), to see whether it is closed. */
const CLOSED_PORT = 9;

const portSchema = z.string().transform((text, context) => {
  const range = parsePort(text);
  if (range !== undefined) return range;
  context.addIssue({ code: 'custom', message: `must look like 8080/tcp or 9000-9100/udp, got ${JSON.stringify(text)}` });
  return z.NEVER;
});

const params = z.strictObject({
  backend: z
    .enum(['auto', 'firewalld', 'nftables', 'ufw'])
    .default('auto')
    .describe('auto: firewalld on Enterprise Linux, ufw on Ubuntu, elsewhere nftables'),
  roles: z.array(z.enum(ROLES)).min(1).default(['control-plane', 'worker']).describe('What nodes of this image may become'),
  cni: z.array(z.enum(CNIS)).default(['calico', 'cilium', 'flannel']).describe('Network add-ons whose ports are opened'),
  sources: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .default([])
    .describe('Networks of the nodes: what nodes and add-ons talk among themselves is open to these only; default: to all'),
  apiServerPort: z.int().min(1).max(65_535).default(6443).describe('Port of the API server on control-plane nodes'),
  nodePorts: z
    .string()
    .regex(/^\d{1,5}-\d{1,5}$/, 'must look like 30000-32767')
    .default('30000-32767')
    .describe('Range of NodePort services on workers'),
  sshPort: z.int().min(1).max(65_535).default(22).describe('Port of the SSH server, always open'),
  ports: z.array(portSchema).default([]).describe('More to open to all, such as 8080/tcp or 9000-9100/udp'),
});

type Params = z.output<typeof params>;

/**
 * Lets in what a node serves and nothing else; packets to and from pods are none of its business. Calico's documentation wants host firewalls off,
 * or its own host endpoints instead; nftables, which touches what comes in alone, is the backend that gets least in its way.
 */
export const firewall = defineRecipe({
  name: 'firewall',
  summary: 'firewalld, nftables or ufw with the ports of Kubernetes and its network add-ons',
  params,
  optional: true,
  after: ['node', 'network-manager'],
  validate: (context, params) => [...backendIssues(context, params), ...rangeIssues(params)],
  packages: (context, params) => [{ name: backendOf(context, params) }],
  steps: (context, params) => {
    const openings = openingsOf(params);
    switch (backendOf(context, params)) {
      case 'firewalld':
        return firewalldActions(openings);
      case 'nftables':
        return nftablesActions(openings);
      case 'ufw':
        return ufwActions(openings);
    }
  },
  checks: (context, params) => [
    { firewalld: firewalldCheck, nftables: nftablesCheck, ufw: ufwCheck }[backendOf(context, params)],
    probeCheck(params),
  ],
});

function backendOf({ os }: RecipeContext, { backend }: Params): Backend {
  if (backend !== 'auto') return backend;
  if (os.distribution === 'ubuntu') return 'ufw';
  return os.family === 'rhel' && os.distribution !== 'amzn' && os.version !== '7' ? 'firewalld' : 'nftables';
}

function backendIssues(context: RecipeContext, params: Params) {
  const path = 'recipes.firewall.backend';
  const { os } = context;
  switch (backendOf(context, params)) {
    case 'nftables':
      return [];
    case 'ufw':
      return os.family === 'debian' ? [] : [{ path, message: `${os.title} has no package ufw`, hint: 'use backend: nftables' }];
    case 'firewalld': {
      // Debian's packages conflict; elsewhere systemd drops one of the two to break the circle (canonical/cloud-init#6502).
      if (os.family === 'debian') {
        const message = `firewalld and the cloud-init of ${os.title} wait for each other at boot`;
        return [{ path, message, hint: 'use backend: nftables or ufw' }];
      }
      if (os.family === 'photon')
        return [{ path, message: `${os.title} has no package firewalld`, hint: 'use backend: nftables' }];
      // Policies came with firewalld 0.9.
      const isTooOld = os.version === '7' || (os.distribution === 'amzn' && os.version === '2');
      const message = `the firewalld of ${os.title} is too old to let pods through`;
      return isTooOld ? [{ path, message, hint: 'use backend: nftables' }] : [];
    }
  }
}

function rangeIssues({ nodePorts }: Params) {
  if (parsePort(`${nodePorts}/tcp`) !== undefined) return [];
  return [{ path: 'recipes.firewall.nodePorts', message: `${nodePorts} is not a range of ports`, hint: 'use 30000-32767' }];
}

function openingsOf({ roles, cni, sources, apiServerPort, nodePorts: range, sshPort, ports }: Params): Openings {
  const services = (['tcp', 'udp'] as const).flatMap((protocol) => parsePort(`${range}/${protocol}`) ?? []);
  return {
    ssh: { from: sshPort, to: sshPort, protocol: 'tcp' },
    all: distinct([
      ...(roles.includes('control-plane') ? [{ from: apiServerPort, to: apiServerPort, protocol: 'tcp' } as const] : []),
      ...(roles.includes('worker') ? services : []),
      ...ports,
    ]),
    nodes: portsOfNodes(roles, cni),
    protocols: nodeProtocols(cni),
    sources,
    podInterfaces: POD_INTERFACES,
  };
}

/**
 * Knocks from outside: over a pair of interfaces from a network namespace, with addresses for documentation (RFC 5737). A port that is let in answers
 * or, when nothing listens, refuses; a closed one does neither.
 */
function probeCheck(params: Params): Check {
  const open = openingsOf(params).all.find(({ protocol }) => protocol === 'tcp');
  const ports = [params.sshPort, CLOSED_PORT, ...(open === undefined ? [] : [open.from])];
  return {
    name: 'firewall/ports',
    title: `from outside SSH answers${open === undefined ? '' : `, port ${portText({ ...open, to: open.from })} is let in`} and port ${CLOSED_PORT} is closed`,
    script: sh`
      ip netns add kib-check
      trap 'ip netns delete kib-check' EXIT
      ip link add kibcheck0 type veth peer name kibcheck1 netns kib-check
      ip address add 192.0.2.1/30 dev kibcheck0
      ip link set kibcheck0 up
      ip -n kib-check address add 192.0.2.2/30 dev kibcheck1
      ip -n kib-check link set kibcheck1 up
      sleep 1
      for port in ${ports}; do
        if said=$(timeout 5 nsenter --net=/run/netns/kib-check bash -c ': </dev/tcp/192.0.2.1/'"$port" 2>&1); then state=open
        elif printf '%s' "$said" | grep -q 'Connection refused'; then state=open
        else state=closed; fi
        echo "$port $state"
      done
    `,
    expect: {
      kind: 'equals',
      text: ports.map((port) => `${port} ${port === CLOSED_PORT ? 'closed' : 'open'}`).join('\n'),
    },
    when: ['build', 'boot'],
  };
}
