import { flag, isTrue } from './convert.ts';
import { means, NOTHING, none, noneOf, onDriver, type PackerName, type PackerNames, to } from './name.ts';

/** packer/ova/vsphere.json and esx.json, and the VMware parts of packer-common.json. */
export const VSPHERE_NAMES: PackerNames = {
  vcenter_server: vsphere('driver.server'),
  username: vsphere('driver.username'),
  password: vsphere('driver.password'),
  insecure_connection: onDriver(
    'vsphere',
    means('true: the certificate is not checked', ['driver.insecure'], (value) =>
      isTrue(value) ? { set: { 'driver.insecure': true } } : NOTHING,
    ),
  ),
  datacenter: vsphere('driver.datacenter'),
  cluster: vsphere('driver.cluster'),
  host: vsphere('driver.host'),
  datastore: vsphere('driver.datastore'),
  folder: vsphere('driver.folder'),
  network: means('network or port group', ['driver.network'], (value, { driver }) =>
    driver === 'vsphere' || driver === 'esxi'
      ? { set: { 'driver.network': value } }
      : { warn: `is of the vsphere driver; this image uses ${driver}` },
  ),
  resource_pool: vsphere('driver.resourcePool'),
  template: means('machine or template to start from', ['base'], (value, { driver }) =>
    driver === 'vsphere'
      ? { set: { base: { template: value } } }
      : { warn: `is of the vsphere driver; this image uses ${driver}` },
  ),
  convert_to_template: means('true: the result is a template', ['formats'], (value, { driver }) =>
    driver === 'vsphere' && flag(value) === true ? { set: { formats: ['template'] } } : NOTHING,
  ),
  linked_clone: none('the machine of the build has a disk of its own', ['true', 'false']),
  create_snapshot: none('a snapshot of a template is made by who clones it', ['true', 'false']),
  destroy: none('the machine of the build is always removed', ['false', 'true']),
  export_manifest: none('an OVA holds SHA-256 of its files', ['none', 'sha256']),
  ...noneOf(['network_card', 'disk_controller_type', 'disk_thin_provisioned'], 'the machine of the build has fixed hardware', [
    'vmxnet3',
    'pvscsi',
    'true',
  ]),
  remote_type: none('the esxi driver is for single hosts', ['esx5']),
  remote_host: esxi('driver.host'),
  remote_datastore: esxi('driver.datastore'),
  remote_username: esxi('driver.username'),
  remote_password: onDriver('esxi', none('a password has no place in such a file; driver.password says where it is kept')),
  ...noneOf(['ssh_proxy_host', 'ssh_proxy_port'], 'guests are reached directly'),
  ...noneOf(
    ['guestinfo_datasource_ref', 'guestinfo_datasource_script', 'guestinfo_datasource_slug'],
    'cloud-init brings the VMware datasource itself; where it is too old, the providers recipe reads guestinfo',
  ),
};

function vsphere(setting: string): PackerName {
  return onDriver('vsphere', to(setting));
}

/** packer/ova/esx.json, which image-builder had until 2021. */
function esxi(setting: string): PackerName {
  return onDriver('esxi', to(setting));
}
