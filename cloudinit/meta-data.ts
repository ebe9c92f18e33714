import { stringify } from 'yaml';

export interface MetaDataOptions {
  /** Must differ between boots that shall run cloud-init's per-instance modules anew. */
  readonly instanceId: string;
  readonly hostname: string;
}

/** NoCloud meta-data (cloud-init documentation, datasource NoCloud). */
export function metaData({ instanceId, hostname }: MetaDataOptions): string {
  return stringify({ 'instance-id': instanceId, 'local-hostname': hostname });
}
