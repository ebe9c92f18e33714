import { type Clock, KibError, poll, withDeadline } from '../../src/core/index.ts';
import type { QmpConnection } from '../../src/io/qmp.ts';

export interface MigrationOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const POLL_MS = 5;
/** Bound for a host that hangs, not for one that is slow: a build's memory takes less than a second. */
const DEADLINE_MS = 10 * 60_000;
const FINALIZE_MS = 30_000;

/**
 * Takes the brakes off: QEMU would spare the network, and count on a guest that goes on changing its memory. The guest stands still, so
 * everything may go in one stretch.
 */
export async function prepareToSend(qmp: QmpConnection, { signal }: MigrationOptions): Promise<void> {
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40, 'downtime-limit': 2_000_000 }, { signal });
}

/**
 * Sends the state of a stopped guest to a unix socket. Returns why not when it has a device whose state QEMU cannot save. Afterwards `cont`
 * goes on as if nothing had been.
 */
export async function send(qmp: QmpConnection, socket: string, options: MigrationOptions): Promise<string | undefined> {
  try {
    await qmp.execute('migrate', { uri: `unix:${socket}` }, { signal: options.signal });
  } catch (error) {
    // Refused at once: nothing has been sent. Troubles on the way come from query-migrate.
    if (error instanceof KibError && error.details['class'] === 'GenericError') return error.message;
    throw error;
  }
  await completed(qmp, options);
  await finalized(qmp, options);
  return undefined;
}

/** Listens on a unix socket for a guest's state; `received` waits for it. */
export async function receive(qmp: QmpConnection, socket: string, { signal }: MigrationOptions): Promise<void> {
  await qmp.execute('migrate-incoming', { uri: `unix:${socket}` }, { signal });
}

/** Waits until the state has come or gone. Throws KIB_QMP with QEMU's own words when it did not; it may also go away. */
export async function completed(qmp: QmpConnection, { clock, signal }: MigrationOptions): Promise<void> {
  const onTimeout = () => new KibError('KIB_QMP', `QEMU did not move the guest's memory within ${DEADLINE_MS / 60_000} min`);
  await withDeadline({ ms: DEADLINE_MS, clock, signal, onTimeout }, (inner) =>
    poll({ clock, signal: inner, intervalMs: POLL_MS }, async () => {
      const report = (await qmp.execute('query-migrate', {}, { signal: inner })) as MigrationReport;
      if (report.status === 'completed') return true;
      if (report.status !== 'failed' && report.status !== 'cancelled') return undefined;
      throw new KibError('KIB_QMP', `QEMU could not move the guest's memory: ${report['error-desc'] ?? report.status}`);
    }),
  );
}

// A sender reports success a moment before it is done with it, and refuses `cont` in between.
async function finalized(qmp: QmpConnection, { clock, signal }: MigrationOptions): Promise<void> {
  const onTimeout = () => new KibError('KIB_QMP', `QEMU did not finish moving the guest's memory within ${FINALIZE_MS / 1000} s`);
  await withDeadline({ ms: FINALIZE_MS, clock, signal, onTimeout }, (inner) =>
    poll({ clock, signal: inner, intervalMs: POLL_MS }, async () => {
      const { status } = (await qmp.execute('query-status', {}, { signal: inner })) as { readonly status: string };
      return status === 'finish-migrate' ? undefined : true;
    }),
  );
}

interface MigrationReport {
  readonly status?: string;
  readonly 'error-desc'?: string;
}
