import { stringify } from 'yaml';

/** One network card, matched by its address: names differ between systems, and not every renderer understands globs. */
export interface NetworkCard {
  /** `52:54:00:12:34:56`. */
  readonly macAddress: string;
  /** CIDR addresses, `192.0.2.10/24`; empty means DHCP for IPv4. */
  readonly addresses?: readonly string[];
  readonly gateway?: string;
  readonly nameservers?: readonly string[];
}

/**
 * Network configuration version 2 (cloud-init documentation, network-config-format-v2). A seed without it lets cloud-init fall back
 * to DHCP on the first card, which is what most builds want.
 */
export function networkConfig(cards: readonly NetworkCard[]): string {
  const ethernets = Object.fromEntries(
    cards.map((card, index) => {
      const isStatic = card.addresses !== undefined && card.addresses.length > 0;
      return [
        `nic${index}`,
        {
          match: { macaddress: card.macAddress.toLowerCase() },
          dhcp4: !isStatic,
          ...(isStatic ? { addresses: card.addresses } : {}),
          ...(card.gateway === undefined ? {} : { routes: [{ to: 'default', via: card.gateway }] }),
          ...(card.nameservers === undefined ? {} : { nameservers: { addresses: card.nameservers } }),
        },
      ];
    }),
  );
  return stringify({ version: 2, ethernets });
}
