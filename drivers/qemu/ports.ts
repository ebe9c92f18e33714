import { KibError } from '../../src/core/index.ts';
import type { QmpConnection } from '../../src/io/qmp.ts';

/** The host port that QEMU's user network forwards to the guest's port 22; the kernel chose it when QEMU bound port 0. */
export async function forwardedPort(qmp: QmpConnection, signal: AbortSignal): Promise<number> {
  // No QMP command tells it, only the human monitor's.
  const listing = await qmp.execute('human-monitor-command', { 'command-line': 'info usernet' }, { signal });
  const port = parseForwardedPort(String(listing));
  if (port !== undefined) return port;
  throw new KibError('KIB_QMP', `QEMU does not say which port it forwards to the guest's SSH server:\n${String(listing)}`);
}

/** Finds `TCP[HOST_FORWARD]  8  127.0.0.1 42759  10.0.2.15  22` in what `info usernet` prints. */
export function parseForwardedPort(listing: string): number | undefined {
  const port = /^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\s/m.exec(listing)?.[1];
  return port === undefined ? undefined : Number(port);
}
