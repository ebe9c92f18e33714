import { describe, expect, it } from 'vitest';
import { leaseOf } from '../../../../drivers/vmware/leases.ts';

const NOW = Date.UTC(2026, 10, 20, 10, 0, 0);
const MAC = '00:0c:29:0a:bc:de';

const isc = (address: string, ends: string, mac = MAC) =>
  `lease ${address} {\n\tstarts 5 2026/11/20 09:30:00;\n\tends ${ends};\n\thardware ethernet ${mac};\n\tclient-hostname "k";\n}\n`;

describe('DHCP leases', () => {
  it.each([
    [
      'the one of the card',
      isc('10.0.0.1', '5 2026/11/20 11:00:00', '00:0c:29:00:00:01') + isc('10.0.0.2', '5 2026/11/20 11:00:00'),
      '10.0.0.2',
    ],
    [
      'the last valid one',
      isc('10.0.0.1', '5 2026/11/20 11:00:00') +
        isc('10.0.0.2', '5 2026/11/20 10:30:00') +
        isc('10.0.0.3', '5 2026/11/20 09:45:00'),
      '10.0.0.2',
    ],
    ['one that never ends', isc('10.0.0.1', 'never') + isc('10.0.0.2', '5 2026/11/20 09:45:00'), '10.0.0.1'],
    ['an old one when no other is there', isc('10.0.0.9', '5 2026/11/20 08:00:00'), '10.0.0.9'],
    ['none of another card', isc('10.0.0.1', 'never', '00:0c:29:00:00:01'), undefined],
    ['none in an empty file', '', undefined],
  ])('of dhcpd: %s', (_what, text, expected) => {
    expect(leaseOf(text, MAC.toUpperCase(), NOW)).toBe(expected);
  });

  it('of Apple’s bootpd, whose octets have no leading zeroes', () => {
    const ends = Math.floor(NOW / 1000) + 60;
    const text = `{\n\tname=kib\n\tip_address=192.168.64.7\n\thw_address=1,0:c:29:a:bc:de\n\tidentifier=1,0:c:29:a:bc:de\n\tlease=0x${ends.toString(16)}\n}\n`;
    expect(leaseOf(text, MAC, NOW)).toBe('192.168.64.7');
    expect(leaseOf(text, '00:0c:29:0a:bc:df', NOW)).toBeUndefined();
  });
});
