import { describe, expect, it } from 'vitest';
import { isAtLeast, resolveMachineType } from '../../../../drivers/qemu/host.ts';
import { qemuOptionsSchema } from '../../../../drivers/qemu/options.ts';
import { parseForwardedPort } from '../../../../drivers/qemu/ports.ts';

describe('what QEMU prints', () => {
  const machines = `Supported machines are:
pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)
q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)
pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)
`;

  it.each([
    ['q35', 'pc-q35-7.2'],
    ['pc-q35-7.2', 'pc-q35-7.2'],
    ['pc-q35', undefined],
  ])('machine type %s is %s', (wanted, resolved) => {
    expect(resolveMachineType(machines, wanted)).toBe(resolved);
  });

  it('finds the forwarded port among the connections of the user network', () => {
    const listing = [
      'Hub -1 (net0):',
      '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
      '  TCP[ESTABLISHED]   12       10.0.2.15 41234     192.0.2.1    22     0     0',
      '  TCP[HOST_FORWARD]   9       127.0.0.1  8080       10.0.2.15    80     0     0',
      '  TCP[HOST_FORWARD]   8       127.0.0.1 42759       10.0.2.15    22     0     0',
      '',
    ];
    expect(parseForwardedPort(listing.join('\r\n'))).toBe(42759);
    expect(parseForwardedPort(listing.slice(0, 4).join('\r\n'))).toBeUndefined();
  });

  it('orders versions by number', () => {
    expect(isAtLeast({ major: 10, minor: 0 }, 7, 2)).toBe(true);
    expect(isAtLeast({ major: 7, minor: 2 }, 7, 2)).toBe(true);
    expect(isAtLeast({ major: 7, minor: 1 }, 7, 2)).toBe(false);
  });
});

describe('options', () => {
  it('have a default and a description each', () => {
    const parsed = qemuOptionsSchema.parse({});
    expect(parsed).toMatchObject({ accelerator: 'auto', display: 'none', watchdog: true, args: [] });
    const undescribed = Object.entries(qemuOptionsSchema.shape).filter(([, field]) => field.description === undefined);
    expect(undescribed).toEqual([]);
  });

  it('refuse unknown names and values that would break the command line', () => {
    const bad = [{ accel: 'kvm' }, { cpuModel: 'host -daemonize' }, { machineType: 'q35,accel=kvm' }, { vncPort: 80 }];
    expect(bad.filter((options) => qemuOptionsSchema.safeParse(options).success)).toEqual([]);
    expect(qemuOptionsSchema.safeParse({ cpuModel: 'host,-arch-capabilities,hv_relaxed=on' }).success).toBe(true);
  });
});
