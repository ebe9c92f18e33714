import { describe, expect, it } from 'vitest';
import { levelOf, parseFlags, requireLevel } from '../../../../drivers/qemu/cpu.ts';
import type { MachineSpec } from '../../../../src/core/index.ts';

const machine = (x86Level: 1 | 2 | 3, arch: 'amd64' | 'arm64' = 'amd64'): MachineSpec => ({
  arch,
  firmware: 'bios',
  cpus: 1,
  memoryBytes: 0,
  diskBytes: 0,
  x86Level,
});

describe('x86-64 levels', () => {
  const v2 = 'fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3';

  it('reads them off the flags of /proc/cpuinfo', () => {
    const level = (flags: string) =>
      levelOf(parseFlags(`processor\t: 0\nflags\t\t: ${flags}\nbugs\t\t: spectre_v1\n`) ?? new Set());
    expect(level('fpu sse sse2')).toBe(1);
    expect(level(v2)).toBe(2);
    expect(level(`${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe`)).toBe(2);
    expect(level(`${v2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave`)).toBe(3);
    expect(parseFlags('Processor: ARM')).toBeUndefined();
  });

  it.each([
    ['qemu64', 2],
    ['Nehalem-v2', 3],
    ['IvyBridge-IBRS', 3],
    ['kvm64,+avx2', 3],
  ] as const)('refuses %s for a guest of level %i', (model, level) => {
    expect(() => requireLevel(model, machine(level))).toThrow(`the guest needs x86-64-v${level}, and the CPU model ${model}`);
  });

  it.each([
    [undefined, 3],
    ['host', 3],
    ['max', 3],
    ['Haswell-noTSX', 3],
    ['Nehalem', 2],
    ['qemu64', 1],
  ] as const)('lets %s through for a guest of level %i', (model, level) => {
    expect(() => requireLevel(model, machine(level))).not.toThrow();
  });

  it('has no say on other architectures', () => {
    expect(() => requireLevel('qemu64', machine(3, 'arm64'))).not.toThrow();
  });
});
