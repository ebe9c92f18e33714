import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distinct, parsePort, portsOfNodes, portText } from '../../../../recipes/firewall/ports.ts';

describe('parsePort', () => {
  it('reads one port and a range', () => {
    expect(parsePort('8080/tcp')).toEqual({ from: 8080, to: 8080, protocol: 'tcp' });
    expect(parsePort('9000-9100/udp')).toEqual({ from: 9000, to: 9100, protocol: 'udp' });
  });

  it.each(['8080', '0/tcp', '65536/tcp', '9100-9000/udp', '80/icmp', '80/tcp;drop', ' 80/tcp', '80-/tcp'])(
    'refuses %j',
    (text) => {
      expect(parsePort(text)).toBeUndefined();
    },
  );

  it('reads what portText writes', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(port, port, fc.constantFrom('tcp', 'udp', 'sctp'), (a, b, protocol) => {
        const range = { from: Math.min(a, b), to: Math.max(a, b), protocol } as const;
        expect(parsePort(`${portText(range)}/${protocol}`)).toEqual(range);
      }),
    );
  });
});

describe('portsOfNodes', () => {
  it('names a port that two roles or add-ons share once', () => {
    const ports = portsOfNodes(['control-plane', 'worker'], ['cilium', 'flannel']);
    expect(ports.filter(({ from, protocol }) => from === 10_250 && protocol === 'tcp')).toHaveLength(1);
    expect(ports.filter(({ from, protocol }) => from === 8472 && protocol === 'udp')).toHaveLength(1);
  });

  it('leaves etcd closed on workers', () => {
    expect(portsOfNodes(['worker'], []).some(({ from }) => from === 2379)).toBe(false);
  });
});

describe('distinct', () => {
  it('does not depend on the order', () => {
    const ranges = portsOfNodes(['control-plane', 'worker'], ['calico', 'cilium', 'flannel']);
    expect(distinct(ranges.toReversed())).toEqual(ranges);
  });
});
