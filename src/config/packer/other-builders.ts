import { none, noneOf, type PackerNames } from './name.ts';

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Variables of one builder of image-builder that kib-native has no driver for, packer/<builder>/*.json. */
function builder(name: string, variables: string): PackerNames {
  return noneOf(words(variables), `is of image-builder’s ${name} builder, for which there is no driver`);
}

/** Where several builders share a name, the first one listed speaks for them. */
export const OTHER_BUILDER_NAMES: PackerNames = {
  ...builder(
    'Azure',
    `azure_location build_resource_group_name client_id client_secret cloud_environment_name community_gallery_image_id
    crictl_source_type custom_data_file direct_shared_gallery_image_id exclude_from_latest image_offer image_publisher image_sku
    image_version managed_image_storage_account_type microsoft-azure-corevm.cloudAvailability microsoft-azure-corevm.defaultImageSizeGB
    microsoft-azure-corevm.deploymentModels microsoft-azure-corevm.freeTierEligible microsoft-azure-corevm.generation
    microsoft-azure-corevm.hardened microsoft-azure-corevm.hideSKUForSolutionTemplate microsoft-azure-corevm.imageType
    microsoft-azure-corevm.imageVisibility microsoft-azure-corevm.isPremiumThirdParty microsoft-azure-corevm.largeLogo
    microsoft-azure-corevm.mediumLogo microsoft-azure-corevm.migratedOffer microsoft-azure-corevm.operatingSystemFamily
    microsoft-azure-corevm.osType microsoft-azure-corevm.privacyURL microsoft-azure-corevm.skuDescriptionFairfax
    microsoft-azure-corevm.skuDescriptionMooncake microsoft-azure-corevm.skuDescriptionPublicAzure
    microsoft-azure-corevm.skuLongSummary microsoft-azure-corevm.skuSummary microsoft-azure-corevm.skuTitle
    microsoft-azure-corevm.smallLogo microsoft-azure-corevm.supportsAADLogin microsoft-azure-corevm.supportsBackup
    microsoft-azure-corevm.supportsClientHub microsoft-azure-corevm.supportsHub microsoft-azure-corevm.supportsHubOnOffSwitch
    microsoft-azure-corevm.supportsSriov microsoft-azure-corevm.termsOfUseURL microsoft-azure-corevm.vmImagesPublicAzure
    microsoft-azure-corevm.wideLogo os_disk_size_gb planId plan_image_offer plan_image_publisher plan_image_sku
    private_virtual_network_with_public_ip provisioner_remote_folder replication_regions resource_group_name
    shared_image_gallery_name sig_image_version source_sig_image_name source_sig_image_version source_sig_name
    source_sig_resource_group_name source_sig_subscription_id storage_account_name storage_account_type subscription_id
    use_azure_cli_auth virtual_network_name virtual_network_resource_group_name virtual_network_subnet_name vm_size`,
  ),
  ...builder('DigitalOcean', 'access_token region size snapshot_name_suffix source_image'),
  ...builder(
    'Google Compute Engine',
    'disable_default_service_account disk_type image_family project_id service_account_email source_image_family tags use_internal_ip zone',
  ),
  ...builder('Hetzner Cloud', 'flatcar_channel flatcar_version hcloud_location hcloud_token image server_type token'),
  ...builder(
    'Huawei Cloud',
    `access_key associate_public_ip_address availability_zone eip_bandwidth_size eip_type flavor image_description image_filter_name
    pause_before_connecting secret_key security_groups subnets wait_image_ready_timeout`,
  ),
  ...builder(
    'MaaS',
    'boot_type cdrom_interface crictl_url disk_interface efi_boot efi_firmware_code efi_firmware_vars iso_target_path runc_url',
  ),
  ...builder(
    'Nutanix',
    `disk_size_gb force_deregister image_delete image_export image_url nutanix_cluster_name nutanix_endpoint nutanix_insecure
    nutanix_password nutanix_port nutanix_subnet_name nutanix_username scp_extra_vars source_image_delete source_image_force
    vm_force_delete`,
  ),
  ...builder(
    'Oracle Cloud',
    `access_cfg_file access_cfg_file_account availability_domain base_image_ocid compartment_ocid fingerprint
    instance_options_are_legacy_imds_endpoints_disabled key_file ocpus operating_system operating_system_version shape subnet_ocid
    tenancy_ocid use_private_ip user_ocid`,
  ),
  ...builder(
    'OpenStack',
    `attach_config_drive floating_ip_network image_disk_format image_tags image_visibility instance_name networks os_version
    source_image_filter_name use_blockstorage_volume use_floating_ip volume_availability_zone`,
  ),
  ...builder(
    'Outscale',
    'account_id debug_ssh_public_key global_permission omi_name overwrite_existing owner ssh_source_cidr vm_type',
  ),
  ...builder('Oxide', 'oxide_boot_disk_image_id oxide_project oxide_subnet oxide_vpc'),
  ...builder(
    'PowerVS',
    `apikey capture_cos_access_key capture_cos_bucket capture_cos_region capture_cos_secret_key dhcp_network key_pair_name
    service_instance_id source_cos_bucket source_cos_object source_cos_region`,
  ),
  ...builder(
    'Proxmox',
    `bios bridge cores cpu_type disk_format http_interface io_thread iso_file iso_storage_pool model mtu node numa pool proxmox_url
    scsi_controller sockets storage_pool storage_pool_type version vlan_tag vmid`,
  ),
  ...builder('Scaleway', 'commercial_type root_volume_type'),
  ...builder('Vultr', 'api_key os plan'),
  ...noneOf(
    words(
      `additional_debug_files azure_extra_vars cloudbase_init_url cloudbase_init_version cloudbase_logging_serial_port
      cloudbase_metadata_services cloudbase_metadata_services_unattend cloudbase_plugins cloudbase_plugins_unattend
      cloudbase_real_time_clock_utc containerd_sha256_windows disable_hypervisor gmsa_keyvault_url kubernetes_base_url
      kubernetes_http_package_url kubernetes_install_path local_guest_os_type netbios_host_name_compatibility nssm_url
      opc_user_password os_iso_path os_iso_url prepull runtime source_image_name ssh_source_url unattend_timezone virtio_image_name
      vmtools_iso_path vmtools_iso_url windows_admin_password windows_service_manager windows_updates_categories
      windows_updates_kbs wins_url wire_server_users`,
    ),
    'is of Windows images, which are not made here',
  ),
  disable_flatcar_usb: none('is of Flatcar images, which are not made here'),
};
