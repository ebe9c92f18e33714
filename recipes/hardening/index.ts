import { ACCOUNTS } from './accounts.ts';
import type { Control } from './control.ts';
import { KUBELET } from './kubelet.ts';
import { NETWORK } from './network.ts';
import { SSH } from './ssh.ts';
import { SYSTEM } from './system.ts';

/** Every control there is, in the order of the benchmarks. */
export const CONTROLS: readonly Control[] = [...[...SYSTEM, ...NETWORK, ...SSH, ...ACCOUNTS].sort(byNumber), ...KUBELET];

function byNumber(a: Control, b: Control): number {
  return a.id.localeCompare(b.id, 'en', { numeric: true });
}
