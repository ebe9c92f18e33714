import type { Control } from '../../../recipes/hardening/control.ts';
import { KUBELET_FILE } from '../../../recipes/hardening/kubelet.ts';
import { sh } from '../../../src/core/index.ts';
import { SPECIAL } from './special.ts';
import { back, fileMode, keep, type Sabotage } from './undo.ts';

/**
 * Undoes everything that a control wants, each thing so that its check must name it. Throws where it is not known how, so that no control is
 * without a proof that its check can fail.
 */
export function sabotagesOf(control: Control): readonly Sabotage[] {
  const { sysctls = {}, blockedModules = [], sshd = {}, modes = [], kubelet, actions } = control.wants;
  const special = SPECIAL[control.id] ?? [];
  const found = [
    ...Object.entries(sysctls).map(([key, value]) => sysctl(key, value)),
    ...blockedModules.map(blockedModule),
    ...Object.keys(sshd).map(sshdSetting),
    ...modes.map(fileMode),
    ...(kubelet === undefined ? [] : leaves(kubelet).map(kubeletSetting)),
    ...special,
  ];
  if (found.length === 0 || (actions !== undefined && special.length === 0)) {
    throw new Error(`nobody says how to undo ${control.id}: ${control.title}; tests/support/hardening/special.ts may`);
  }
  return found;
}

function known<T>(table: Readonly<Record<string, T>>, key: string): T {
  const value = table[key];
  if (value === undefined) throw new Error(`nobody says what a bad value of ${key} is; tests/support/hardening/sabotage.ts may`);
  return value;
}

function sysctl(key: string, value: string): Sabotage {
  const path = `/proc/sys/${key.replaceAll('.', '/')}`;
  return {
    // Near by, so that the machine goes on: without room for keys nobody could log in.
    undo: sh`echo ${value === '0' ? 1 : Number(value) - 1} >${path}`,
    restore: sh`echo ${value} >${path}`,
    named: [`${key} is not ${value}`],
  };
}

const MODPROBE = '/etc/modprobe.d/kib-hardening.conf';

function blockedModule(module: string): Sabotage {
  return {
    undo: sh`${keep(MODPROBE)}; sed -i ${`/ ${module}\\( \\|$\\)/d`} ${MODPROBE}`,
    restore: back(MODPROBE),
    named: [`${module} can be loaded`],
  };
}

const SSHD = '/etc/ssh/sshd_config.d/00-kib-hardening.conf';
const WEAK_SSHD: Readonly<Record<string, string>> = {
  LogLevel: 'QUIET',
  X11Forwarding: 'yes',
  MaxAuthTries: '10',
  IgnoreRhosts: 'no',
  HostbasedAuthentication: 'yes',
  PermitRootLogin: 'yes',
  PermitEmptyPasswords: 'yes',
  PermitUserEnvironment: 'yes',
  Ciphers: 'aes256-ctr,aes128-cbc',
  MACs: 'hmac-sha2-256,hmac-sha1',
  KexAlgorithms: '+diffie-hellman-group14-sha1',
  ClientAliveInterval: '0',
  ClientAliveCountMax: '10',
  LoginGraceTime: '0',
  Banner: 'none',
  UsePAM: 'no',
  AllowTcpForwarding: 'yes',
  MaxStartups: '100:30:200',
  MaxSessions: '10',
};

/** The server that runs is not told. */
function sshdSetting(name: string): Sabotage {
  return {
    undo: sh`${keep(SSHD)}; sed -i ${`s/^${name} .*/${name} ${known(WEAK_SSHD, name)}/`} ${SSHD}`,
    restore: back(SSHD),
    named: [name],
  };
}

/** A bad value, and the name by which kubelet's log, and so the check, calls the member. */
const WEAK_KUBELET: Readonly<Record<string, readonly [value: unknown, name: string]>> = {
  'authentication.anonymous.enabled': [true, 'Anonymous'],
  'authentication.webhook.enabled': [false, 'Webhook'],
  'authorization.mode': ['AlwaysAllow', 'Mode'],
  readOnlyPort: [10_255, 'ReadOnlyPort'],
  streamingConnectionIdleTimeout: ['9h0m0s', 'StreamingConnectionIdleTimeout'],
  protectKernelDefaults: [false, 'ProtectKernelDefaults'],
  makeIPTablesUtilChains: [false, 'MakeIPTablesUtilChains'],
  eventRecordQPS: [7, 'EventRecordQPS'],
  rotateCertificates: [false, 'RotateCertificates'],
  serverTLSBootstrap: [false, 'ServerTLSBootstrap'],
  tlsCipherSuites: [['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA'], 'TLSCipherSuites'],
  podPidsLimit: [-1, 'PodPidsLimit'],
  seccompDefault: [false, 'SeccompDefault'],
};

const SET_MEMBER = `import json, sys
path, names, value = sys.argv[1], sys.argv[2].split("."), json.loads(sys.argv[3])
with open(path) as file: tree = json.load(file)
place = tree
for name in names[:-1]: place = place[name]
assert place[names[-1]] != value
place[names[-1]] = value
with open(path, "w") as file: json.dump(tree, file)
`;

function kubeletSetting(member: string): Sabotage {
  const [value, name] = known(WEAK_KUBELET, member);
  return {
    undo: sh`${keep(KUBELET_FILE)}; python3 -c ${SET_MEMBER} ${KUBELET_FILE} ${member} ${JSON.stringify(value)}`,
    restore: back(KUBELET_FILE),
    named: [`kubelet would run without "${name}"`],
  };
}

/** Paths of a tree's values, `authentication.anonymous.enabled`. */
function leaves(tree: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(tree).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? leaves(value as Readonly<Record<string, unknown>>).map((rest) => `${name}.${rest}`)
      : [name],
  );
}
