import { availableParallelism, totalmem } from 'node:os';
import { formatBytes, KibError, type MachineSpec } from '../core/index.ts';

/** What this host has for machines. */
export interface HostSize {
  readonly cpus: number;
  /** Memory of the host, or of the control group this process is confined to. */
  readonly memoryBytes: number;
  /** What of it is free now. */
  readonly freeBytes: number;
}

export interface Parallelism {
  /** How many builds run at once. */
  readonly limit: number;
  /** Why that may go wrong. */
  readonly warning?: string;
}

type Needs = Pick<MachineSpec, 'cpus' | 'memoryBytes'>;

export function hostSize(): HostSize {
  return {
    cpus: availableParallelism(),
    // Without a control group the constraint is 0 or beyond what there is.
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    freeBytes: process.availableMemory(),
  };
}

/**
 * How many of these machines may run at once: as many as wanted, or with `auto` as many as the host has CPUs and free memory for, at least one.
 * Throws KIB_HOST_MEMORY when the host could never hold as many as wanted, whichever they are.
 */
export function parallelism(wanted: number | 'auto', machines: readonly Needs[], host: HostSize): Parallelism {
  if (wanted === 'auto') {
    const counts = machines.map((_, index) => index + 1);
    const fits = (count: number) =>
      largest(machines, count, 'cpus') <= host.cpus && largest(machines, count, 'memoryBytes') <= host.freeBytes;
    return { limit: counts.findLast(fits) ?? 1 };
  }
  const limit = Math.min(wanted, machines.length);
  const bytes = largest(machines, limit, 'memoryBytes');
  if (limit < 2 || bytes <= host.freeBytes) return { limit };
  const need = `${limit} machines at once need up to ${formatBytes(bytes)} of memory`;
  if (bytes <= host.memoryBytes) return { limit, warning: `${need}, of which ${formatBytes(host.freeBytes)} are free now` };
  throw new KibError('KIB_HOST_MEMORY', `${need}, this host has ${formatBytes(host.memoryBytes)}`, {
    hint: '--parallel auto, or less memory for each: --var memory=2GiB',
  });
}

/** The most that so many of the machines may need together. */
function largest(machines: readonly Needs[], count: number, what: keyof Needs): number {
  const needs = machines.map((machine) => machine[what]).toSorted((a, b) => b - a);
  return needs.slice(0, count).reduce((sum, need) => sum + need, 0);
}
