import { type ConfigIssue, KibError, type MachineSpec } from '../../src/core/index.ts';

/** x86-64 micro-architecture levels (x86-64 psABI, "Micro-Architecture Levels"), by the names of /proc/cpuinfo. */
const LEVEL_2 = ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'];
const LEVEL_3 = ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe', 'xsave'];

/** QEMU's CPU models that stay below a level (`qemu-system-x86_64 -cpu help`; versions such as -v1 and -IBRS left away). */
const BELOW_2 = [
  '486',
  'athlon',
  'core2duo',
  'coreduo',
  'kvm32',
  'kvm64',
  'n270',
  'pentium',
  'pentium2',
  'pentium3',
  'phenom',
  'qemu32',
  'qemu64',
  'Conroe',
  'Penryn',
  'Opteron_G1',
  'Opteron_G2',
  'Opteron_G3',
];
const BELOW_3 = [
  ...BELOW_2,
  'Nehalem',
  'Westmere',
  'SandyBridge',
  'IvyBridge',
  'Denverton',
  'Snowridge',
  'Opteron_G4',
  'Opteron_G5',
];

/** The level that a CPU with these flags has. */
export function levelOf(flags: ReadonlySet<string>): 1 | 2 | 3 {
  if (!LEVEL_2.every((flag) => flags.has(flag))) return 1;
  return LEVEL_3.every((flag) => flags.has(flag)) ? 3 : 2;
}

/** Flags of the first CPU in the text of /proc/cpuinfo; undefined when it lists none. */
export function parseFlags(cpuinfo: string): ReadonlySet<string> | undefined {
  const line = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1];
  return line === undefined ? undefined : new Set(line.trim().split(' '));
}

/** A CPU model asked for that is known to lack what the guest's user space needs, as an issue of the driver's options. */
export function levelIssues(cpuModel: string | undefined, machine: MachineSpec): readonly ConfigIssue[] {
  if (cpuModel === undefined || machine.arch !== 'amd64' || machine.x86Level === 1) return [];
  const family = cpuModel.split(',', 1)[0]?.replace(/(-(IBRS|v\d+))+$/, '') ?? '';
  if (!(machine.x86Level === 3 ? BELOW_3 : BELOW_2).includes(family)) return [];
  const message = `the guest needs x86-64-v${machine.x86Level}, and the CPU model ${cpuModel} does not have it`;
  return [{ path: 'cpuModel', message, hint: 'leave driver.cpuModel out, or choose a later model such as Haswell' }];
}

/** Throws KIB_DRIVER_CANNOT for the same, to callers that have no configuration. */
export function requireLevel(cpuModel: string | undefined, machine: MachineSpec): void {
  const [issue] = levelIssues(cpuModel, machine);
  if (issue !== undefined) throw new KibError('KIB_DRIVER_CANNOT', issue.message, { hint: issue.hint });
}
