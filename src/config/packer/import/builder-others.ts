import { count, hardware, NO_SECRET, size, takeIso } from './builder-parts.ts';
import type { Draft } from './draft.ts';
import { isTrueText, isWhole, type Part, record, text, texts } from './template.ts';

/** vmware-iso and vmware-vmx. */
export function vmware(draft: Draft, part: Part): readonly string[] {
  const { settings } = part;
  draft.set('formats', ['ova'], part.place);
  draft.set('driver.hardwareVersion', count(settings['version']), part.placeOf('version'));
  const guest = text(settings['guest_os_type']);
  if (guest !== undefined && isWhole(guest)) draft.set('driver.guestOs', guest, part.placeOf('guest_os_type'));
  const network = text(settings['network']);
  draft.set(
    'driver.network',
    network !== undefined && /^(nat|bridged|hostonly)$/.test(network) ? network : undefined,
    part.placeOf('network'),
  );
  if (settings['headless'] !== undefined && !isTrueText(settings['headless']))
    draft.set('driver.gui', true, part.placeOf('headless'));
  const given = { ...record(settings['vmx_data']), ...record(settings['vmx_data_post']) };
  const vmx = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '' && value !== null));
  if (Object.keys(vmx).length > 0) {
    draft.set(
      'driver.vmx',
      Object.fromEntries(Object.entries(vmx).map(([key, value]) => [key, String(value)])),
      part.placeOf('vmx_data'),
    );
  }
  if (/efi/i.test(text(settings['firmware']) ?? text(vmx['firmware']) ?? ''))
    draft.set('firmware', 'uefi', part.placeOf('firmware'));
  const source = text(settings['source_path']);
  if (source !== undefined)
    draft.note(
      part.placeOf('source_path'),
      'source_path',
      'a virtual machine is no base; give its disk by base: { file, format: vmdk }',
    );
  return [
    ...hardware(draft, part, { cpus: 'cpus', memory: 'memory', disk: 'disk_size' }),
    ...takeIso(draft, part, false),
    'version',
    'guest_os_type',
    'network',
    'vmx_data',
    'vmx_data_post',
    'firmware',
    'source_path',
    'format',
  ];
}

/** vsphere-iso and vsphere-clone. */
export function vsphere(draft: Draft, part: Part): readonly string[] {
  const { settings } = part;
  const options = {
    vcenter_server: 'server',
    username: 'username',
    datacenter: 'datacenter',
    cluster: 'cluster',
    host: 'host',
    datastore: 'datastore',
    folder: 'folder',
    resource_pool: 'resourcePool',
    network: 'network',
  };
  for (const [theirs, ours] of Object.entries(options)) draft.set(`driver.${ours}`, text(settings[theirs]), part.placeOf(theirs));
  if (isTrueText(settings['insecure_connection'])) draft.set('driver.insecure', true, part.placeOf('insecure_connection'));
  if (settings['password'] !== undefined) draft.note(part.placeOf('password'), 'password', NO_SECRET);
  const template = text(settings['template']);
  if (template !== undefined && isWhole(template)) draft.set('base', { template }, part.placeOf('template'));
  draft.set('formats', [isTrueText(settings['convert_to_template']) ? 'template' : 'ova'], part.place);
  const [disk] = Array.isArray(settings['storage']) ? settings['storage'].map(record) : [];
  if (disk !== undefined) draft.set('disk', size(disk['disk_size']), part.placeOf('storage'));
  const [card] = Array.isArray(settings['network_adapters']) ? settings['network_adapters'].map(record) : [];
  if (card !== undefined) draft.set('driver.network', text(card['network']), part.placeOf('network_adapters'));
  if (/efi/i.test(text(settings['firmware']) ?? '')) draft.set('firmware', 'uefi', part.placeOf('firmware'));
  return [
    ...hardware(draft, part, { cpus: 'CPUs', memory: 'RAM', disk: 'disk_size' }),
    ...takeIso(draft, part, false),
    ...Object.keys(options),
    'insecure_connection',
    'password',
    'template',
    'convert_to_template',
    'storage',
    'network_adapters',
    'firmware',
    'iso_paths',
    'guest_os_type',
    'disk_controller_type',
    'linked_clone',
    'create_snapshot',
    'vm_version',
    'export',
    'cpu_cores',
    'cdrom_type',
  ];
}

/** amazon-ebs. */
export function amazon(draft: Draft, part: Part): readonly string[] {
  const { settings } = part;
  draft.set('formats', ['ami'], part.place);
  const options: Readonly<Record<string, string>> = {
    region: 'region',
    instance_type: 'instanceType',
    vpc_id: 'vpc',
    iam_instance_profile: 'instanceProfile',
    ami_description: 'ami.description',
    kms_key_id: 'volume.kmsKeyId',
  };
  for (const [theirs, ours] of Object.entries(options)) {
    const value = text(settings[theirs]);
    if (value !== undefined && isWhole(value)) draft.set(`driver.${ours}`, value, part.placeOf(theirs));
  }
  const copies = texts(settings['ami_regions']);
  if (copies.length > 0) draft.set('driver.ami.regions', copies, part.placeOf('ami_regions'));
  if (isTrueText(settings['encrypt_boot'])) draft.set('driver.volume.encrypted', true, part.placeOf('encrypt_boot'));
  const lists: Readonly<Record<string, string>> = {
    subnet_id: 'subnets',
    security_group_id: 'securityGroups',
    security_group_ids: 'securityGroups',
    temporary_security_group_source_cidrs: 'allowFrom',
    ami_users: 'ami.shareWith.accounts',
  };
  for (const [theirs, ours] of Object.entries(lists)) {
    const values = texts(settings[theirs]).filter(isWhole);
    if (values.length > 0) draft.set(`driver.${ours}`, values, part.placeOf(theirs));
  }
  if (texts(settings['ami_groups']).includes('all')) draft.set('driver.ami.public', true, part.placeOf('ami_groups'));
  const tags: Readonly<Record<string, string>> = { tags: 'ami.tags', snapshot_tags: 'ami.snapshotTags', run_tags: 'tags' };
  for (const [theirs, ours] of Object.entries(tags)) {
    const known = Object.entries(record(settings[theirs])).filter(([, value]) => typeof value === 'string' && isWhole(value));
    if (known.length > 0) draft.set(`driver.${ours}`, Object.fromEntries(known), part.placeOf(theirs));
  }
  const id = text(settings['source_ami']);
  const filter = record(
    Array.isArray(settings['source_ami_filter']) ? settings['source_ami_filter'][0] : settings['source_ami_filter'],
  );
  const name = text(record(filter['filters'])['name']);
  const [owner] = texts(filter['owners']);
  if (id !== undefined && isWhole(id)) draft.set('base', { ami: id }, part.placeOf('source_ami'));
  else if (name !== undefined && isWhole(name) && owner !== undefined)
    draft.set('base', { ami: { owner, name } }, part.placeOf('source_ami_filter'));
  for (const mappings of ['launch_block_device_mappings', 'ami_block_device_mappings']) {
    const [volume] = Array.isArray(settings[mappings]) ? settings[mappings].map(record) : [];
    const gib = count(volume?.['volume_size']);
    if (gib !== undefined) draft.set('disk', `${gib}GiB`, part.placeOf(mappings));
  }
  if (settings['associate_public_ip_address'] !== undefined)
    draft.set(
      'driver.publicIp',
      isTrueText(settings['associate_public_ip_address']),
      part.placeOf('associate_public_ip_address'),
    );
  for (const key of ['access_key', 'secret_key', 'token']) {
    if (text(settings[key]) !== undefined)
      draft.note(part.placeOf(key), key, 'no secret goes into an image file; AWS_ACCESS_KEY_ID and so on are read');
  }
  return [
    ...Object.keys(options),
    ...Object.keys(lists),
    ...Object.keys(tags),
    'ami_groups',
    'profile',
    'ami_regions',
    'encrypt_boot',
    'source_ami',
    'source_ami_filter',
    'launch_block_device_mappings',
    'ami_block_device_mappings',
    'associate_public_ip_address',
    'access_key',
    'secret_key',
    'token',
  ];
}
