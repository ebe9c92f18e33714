import type * as ebs from '@aws-sdk/client-ebs';
import { clientSettings, loadSdk, type Place, type Reach, send } from './api.ts';

type Sdk = typeof ebs;

/** The EBS direct API in one region: snapshots written block by block. Dispose it. */
export class EbsDirect implements Disposable {
  readonly #sdk: Sdk;
  readonly #client: InstanceType<Sdk['EBSClient']>;
  readonly #region: string;

  private constructor(sdk: Sdk, client: InstanceType<Sdk['EBSClient']>, region: string) {
    this.#sdk = sdk;
    this.#client = client;
    this.#region = region;
  }

  /** `sockets` connections at most are open at a time. Throws KIB_EC2_SDK. */
  static async open(place: Place, reach: Reach, sockets: number): Promise<EbsDirect> {
    const sdk = await loadSdk(() => import('@aws-sdk/client-ebs'), '@aws-sdk/client-ebs');
    return new EbsDirect(sdk, new sdk.EBSClient(await clientSettings(place, reach, sockets)), place.region);
  }

  /** Not to be cut short: the snapshot would be there, and nobody would know its id. */
  async start(input: ebs.StartSnapshotCommandInput): Promise<ebs.StartSnapshotCommandOutput> {
    const command = new this.#sdk.StartSnapshotCommand(input);
    return (await this.#send('StartSnapshot', command)) as ebs.StartSnapshotCommandOutput;
  }

  /** Writing a block again is harmless. */
  async put(input: ebs.PutSnapshotBlockCommandInput, signal: AbortSignal): Promise<void> {
    await this.#send('PutSnapshotBlock', new this.#sdk.PutSnapshotBlockCommand(input), signal);
  }

  async complete(input: ebs.CompleteSnapshotCommandInput): Promise<void> {
    await this.#send('CompleteSnapshot', new this.#sdk.CompleteSnapshotCommand(input));
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  #send(action: string, command: object, signal?: AbortSignal): Promise<unknown> {
    return send(this.#client, command, { service: 'ebs', action, region: this.#region }, signal);
  }
}
