import { parse, stringify } from 'yaml';
import { KibError, type SeedFiles } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { isAtLeast } from './vi-json.ts';

/** First release with customizations for cloud-init. */
export const CUSTOMIZATION = '7.0.3';

/** Cloud-init data that VMware Tools hand over at the next power-on; vCenter forgets it then. Throws KIB_VSPHERE_VERSION before vSphere 7.0 U3. */
export async function customize(seed: SeedFiles, vcenter: Vcenter, vm: string, signal: AbortSignal): Promise<void> {
  const version = await vcenter.version(signal);
  if (!isAtLeast(version, CUSTOMIZATION)) {
    throw new KibError(
      'KIB_VSPHERE_VERSION',
      `a customization for cloud-init needs vSphere 7.0 U3, ${vcenter.server} has ${version}`,
      {
        hint: 'driver.seed: iso',
      },
    );
  }
  const metadata = parse(seed['meta-data']) as Record<string, unknown>;
  const network = seed['network-config'] === undefined ? {} : { network: parse(seed['network-config']) as unknown };
  const cloudinit = { metadata: stringify({ ...metadata, ...network }), userdata: seed['user-data'] };
  const spec = {
    configuration_spec: { cloud_config: { type: 'CLOUDINIT', cloudinit } },
    global_DNS_settings: {},
    interfaces: [],
  };
  await vcenter.send({ method: 'PUT', path: `/api/vcenter/vm/${vm}/guest/customization`, body: { spec }, signal });
}
