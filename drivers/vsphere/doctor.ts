import { type Finding, isKibError, type KibError, type MachineSpec, systemClock, throwIfAborted } from '../../src/core/index.ts';
import { Vcenter } from './client.ts';
import { findLibrary } from './library.ts';
import type { VsphereOptions } from './options.ts';
import { resolvePlacement } from './placement.ts';
import { isAtLeast } from './vi-json.ts';

/** `/api` and everything the driver calls below it. */
const OLDEST = '7.0.2';

/** Looks at vCenter, login, names and library without changing anything. */
export async function doctor(
  options: VsphereOptions,
  _machine: Pick<MachineSpec, 'arch' | 'firmware'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  throwIfAborted(signal);
  const findings: Finding[] = [];
  try {
    await using vcenter = await Vcenter.open(options, { clock: systemClock, signal });
    findings.push(await found(`vCenter ${options.server}`, () => versionOf(vcenter, signal)));
    if (findings.every(({ status }) => status !== 'missing')) {
      findings.push(await found('vCenter placement', () => placementOf(vcenter, options, signal)));
      findings.push(await found('vCenter library', () => libraryOf(vcenter, options, signal)));
    }
  } catch (error) {
    throwIfAborted(signal);
    if (!isKibError(error)) throw error;
    findings.push(missing(`vCenter ${options.server}`, error));
  }
  return findings;
}

type Looked = Pick<Finding, 'status' | 'detail'> & { readonly fix?: string };

async function found(name: string, look: () => Promise<Looked>): Promise<Finding> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    if (!isKibError(error) || error.code === 'KIB_CANCELLED') throw error;
    return missing(name, error);
  }
}

function missing(name: string, { message, hint }: KibError): Finding {
  return { name, status: 'missing', detail: message, ...(hint === undefined ? {} : { fix: hint }) };
}

async function versionOf(vcenter: Vcenter, signal: AbortSignal): Promise<Looked> {
  const version = await vcenter.version(signal);
  if (!isAtLeast(version, OLDEST))
    return { status: 'missing', detail: `API ${version}`, fix: `the driver needs ${OLDEST} or newer` };
  if (isAtLeast(version, '8.0.1')) return { status: 'ok', detail: `API ${version}` };
  return {
    status: 'warning',
    detail: `API ${version}: no templates of the inventory, no larger disks for clones, no extraConfig`,
    fix: 'these need vSphere 8.0 U1; everything else works',
  };
}

async function placementOf(vcenter: Vcenter, options: VsphereOptions, signal: AbortSignal): Promise<Looked> {
  const { datastore, resourcePool, folder, host, network } = await resolvePlacement(
    vcenter,
    options,
    { keepsNetwork: false },
    signal,
  );
  const parts = [`datastore ${datastore.name}`, resourcePool, folder, host, network?.id].filter((part) => part !== undefined);
  return { status: 'ok', detail: parts.join(', ') };
}

async function libraryOf(vcenter: Vcenter, { library }: VsphereOptions, signal: AbortSignal): Promise<Looked> {
  try {
    return { status: 'ok', detail: `${library} (${await findLibrary(vcenter, library, undefined, signal)})` };
  } catch (error) {
    if (!isKibError(error) || error.code !== 'KIB_VSPHERE_PLACEMENT' || library !== 'kib-native') throw error;
    return { status: 'ok', detail: `${library} will be made; that needs the privilege Content library > Create local library` };
  }
}
