/** One DHCP lease for a network card. */
interface Lease {
  readonly address: string;
  readonly mac: string;
  /** Milliseconds since the epoch; undefined: never. */
  readonly ends: number | undefined;
}

/**
 * The address that a lease file has for a network card: of those that are valid at `now` the last one, else the last one there is (clocks may
 * differ). Reads the format of ISC dhcpd (dhcpd.leases(5)), which VMware's DHCP servers write, and Apple's bootpd one.
 */
export function leaseOf(text: string, mac: string, now: number): string | undefined {
  const wanted = canonicalMac(mac);
  const leases = (text.trimStart().startsWith('{') ? appleLeases(text) : iscLeases(text)).filter((lease) => lease.mac === wanted);
  const valid = leases.filter(({ ends }) => ends === undefined || ends > now);
  return (valid.at(-1) ?? leases.at(-1))?.address;
}

function iscLeases(text: string): readonly Lease[] {
  return [...text.matchAll(/^lease\s+([\d.]+)\s*\{([^}]*)\}/gm)].flatMap(([, address = '', body = '']) => {
    const mac = /hardware\s+ethernet\s+([\da-f:]+)\s*;/i.exec(body)?.[1];
    if (mac === undefined) return [];
    return [{ address, mac: canonicalMac(mac), ends: iscTime(/ends\s+([^;]+);/.exec(body)?.[1]) }];
  });
}

/** `5 2026/11/20 10:00:00` (UTC), or `never`. */
function iscTime(text: string | undefined): number | undefined {
  const [, year, month, day, time] = /(\d{4})\/(\d\d)\/(\d\d) (\d\d:\d\d:\d\d)/.exec(text ?? '') ?? [];
  return time === undefined ? undefined : Date.parse(`${year}-${month}-${day}T${time}Z`);
}

/** `{ name=… ip_address=… hw_address=1,52:54:0:12:34:56 lease=0x5f… }`; octets without leading zeroes. */
function appleLeases(text: string): readonly Lease[] {
  return [...text.matchAll(/\{([^}]*)\}/g)].flatMap(([, body = '']) => {
    const address = /ip_address=(\S+)/.exec(body)?.[1];
    const mac = /hw_address=\d+,(\S+)/.exec(body)?.[1];
    const ends = /lease=0x([\da-f]+)/i.exec(body)?.[1];
    if (address === undefined || mac === undefined) return [];
    return [{ address, mac: canonicalMac(mac), ends: ends === undefined ? undefined : Number.parseInt(ends, 16) * 1000 }];
  });
}

function canonicalMac(mac: string): string {
  return mac
    .toLowerCase()
    .split(':')
    .map((octet) => octet.padStart(2, '0'))
    .join(':');
}
