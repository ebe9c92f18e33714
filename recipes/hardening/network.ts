import { type Control, linux } from './control.ts';
import { modulesAreBlocked, sysctlsAre } from './observe.ts';

/**
 * Section 3, without what a node's network plugin decides: forwarding stays on (3.1.1), reverse-path filtering is the plugin's (3.2.7),
 * router advertisements give addresses (3.2.9), the firewall is a recipe of its own (3.5).
 */
export const NETWORK: readonly Control[] = [
  settings('3.1.2', 'no redirects are sent', both('net.ipv4', 'send_redirects', '0')),
  settings('3.2.1', 'no source-routed packets', {
    ...both('net.ipv4', 'accept_source_route', '0'),
    ...both('net.ipv6', 'accept_source_route', '0'),
  }),
  settings('3.2.2', 'no ICMP redirects are followed', {
    ...both('net.ipv4', 'accept_redirects', '0'),
    ...both('net.ipv6', 'accept_redirects', '0'),
  }),
  settings('3.2.3', 'no redirects of gateways are followed', both('net.ipv4', 'secure_redirects', '0')),
  settings('3.2.4', 'suspicious packets are logged', both('net.ipv4', 'log_martians', '1')),
  settings('3.2.5', 'broadcast ICMP is ignored', { 'net.ipv4.icmp_echo_ignore_broadcasts': '1' }),
  settings('3.2.6', 'bogus ICMP answers are ignored', { 'net.ipv4.icmp_ignore_bogus_error_responses': '1' }),
  settings('3.2.8', 'TCP SYN cookies are on', { 'net.ipv4.tcp_syncookies': '1' }),
  protocol('3.4.1', 'DCCP', 'dccp'),
  protocol('3.4.2', 'SCTP', 'sctp', 'services may use SCTP'),
  protocol('3.4.3', 'RDS', 'rds'),
  protocol('3.4.4', 'TIPC', 'tipc'),
];

function settings(number: string, title: string, sysctls: Readonly<Record<string, string>>): Control {
  return linux(number, title, { wants: { sysctls }, check: () => sysctlsAre(sysctls) });
}

/** For the interfaces there are and for those to come. */
function both(family: string, name: string, value: string): Readonly<Record<string, string>> {
  return { [`${family}.conf.all.${name}`]: value, [`${family}.conf.default.${name}`]: value };
}

function protocol(number: string, name: string, module: string, off?: string): Control {
  return linux(number, `${name} cannot be used`, {
    level: 2,
    wants: { blockedModules: [module] },
    check: () => modulesAreBlocked([module]),
    ...(off === undefined ? {} : { off }),
  });
}
