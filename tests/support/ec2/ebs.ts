import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FakeAws } from './fake.ts';
import { FakeError } from './fake-error.ts';
import type { FakeSnapshot } from './state.ts';

export const BLOCK_BYTES = 512 * 1024;

interface EbsCall {
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly region: string;
  readonly key: string | undefined;
}

type Reply = (status: number, type: string, answer: string, headers?: Record<string, string>) => void;

/** EBS direct (REST): StartSnapshot, PutSnapshotBlock, CompleteSnapshot, with every digest looked at. */
export async function answerEbs(aws: FakeAws, call: EbsCall, reply: Reply): Promise<void> {
  const json = (status: number, value: object, headers: Record<string, string> = {}) =>
    reply(status, 'application/json', JSON.stringify(value), headers);
  try {
    await answer(aws, call, json);
  } catch (error) {
    const known = error instanceof FakeError ? error : new FakeError('InternalServerException', String(error), 500);
    json(known.status, { Message: known.message, Reason: known.code }, { 'x-amzn-errortype': known.code });
  }
}

async function answer(
  aws: FakeAws,
  { request, body, region: name, key }: EbsCall,
  json: (status: number, value: object, headers?: Record<string, string>) => void,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '', 'http://fake');
  const block = /^\/snapshots\/([^/]+)\/blocks\/(\d+)$/.exec(pathname);
  const completion = /^\/snapshots\/completion\/([^/]+)$/.exec(pathname);
  const action = block !== null ? 'PutSnapshotBlock' : completion === null ? 'StartSnapshot' : 'CompleteSnapshot';
  const region = await aws.admit(action, name, key);
  const header = (wanted: string) => String(request.headers[wanted.toLowerCase()] ?? '');
  if (action === 'StartSnapshot') {
    const given = JSON.parse(body.toString()) as {
      VolumeSize: number;
      ClientToken?: string;
      Description?: string;
      Encrypted?: boolean;
      KmsKeyArn?: string;
      Tags?: { Key: string; Value: string }[];
    };
    const known = region.tokens.get(given.ClientToken ?? '');
    const id = known?.id ?? aws.id('snap');
    if (known === undefined) {
      const tags = Object.fromEntries((given.Tags ?? []).map(({ Key, Value }) => [Key, Value]));
      region.snapshots.set(id, {
        id,
        gib: given.VolumeSize,
        encrypted: given.Encrypted ?? false,
        kmsKeyId: given.KmsKeyArn,
        productCodes: [],
        tags,
        madeAt: aws.now(),
        blocks: new Map(),
        sharedWith: [],
        description: given.Description ?? '',
        state: 'pending',
      });
      if (given.ClientToken !== undefined) region.tokens.set(given.ClientToken, { call: 'StartSnapshot', id });
    }
    json(201, {
      SnapshotId: id,
      BlockSize: BLOCK_BYTES,
      Status: 'pending',
      VolumeSize: given.VolumeSize,
      OwnerId: '111122223333',
    });
    return;
  }
  const snapshot = region.snapshots.get((block ?? completion)?.[1] ?? '');
  if (snapshot === undefined) throw new FakeError('ResourceNotFoundException', 'The snapshot does not exist.', 404);
  if (snapshot.state !== 'pending' || snapshot.next !== undefined)
    throw new FakeError('ValidationException', 'The snapshot is not pending');
  if (block !== null) {
    const index = Number(block[2]);
    if (body.length !== BLOCK_BYTES || header('x-amz-data-length') !== String(BLOCK_BYTES))
      throw new FakeError('ValidationException', `INVALID_DATA_LENGTH ${body.length}`);
    if (index * BLOCK_BYTES >= snapshot.gib * 1024 ** 3)
      throw new FakeError('ValidationException', `INVALID_BLOCK_INDEX ${index}`);
    const digest = createHash('sha256').update(body).digest();
    if (header('x-amz-checksum-algorithm') !== 'SHA256' || header('x-amz-checksum') !== digest.toString('base64'))
      throw new FakeError('ValidationException', 'INVALID_CHECKSUM');
    await aws.hypervisor?.write(snapshot.id, snapshot.gib, index, body);
    snapshot.blocks.set(index, digest);
    json(201, {}, { 'x-amz-Checksum': digest.toString('base64'), 'x-amz-Checksum-Algorithm': 'SHA256' });
    return;
  }
  complete(aws, snapshot, header);
  await aws.hypervisor?.complete(snapshot.id);
  json(202, { Status: 'pending' });
}

function complete(aws: FakeAws, snapshot: FakeSnapshot, header: (name: string) => string): void {
  if (header('x-amz-changedblockscount') !== String(snapshot.blocks.size))
    throw new FakeError('ValidationException', `INVALID_CHANGED_BLOCKS_COUNT: there are ${snapshot.blocks.size}`);
  const given = header('x-amz-checksum');
  if (given !== '') {
    const hash = createHash('sha256');
    for (const [, digest] of [...snapshot.blocks].sort(([a], [b]) => a - b)) hash.update(digest);
    if (header('x-amz-checksum-aggregation-method') !== 'LINEAR' || given !== hash.digest('base64'))
      throw new FakeError('ValidationException', 'INVALID_CHECKSUM of all blocks');
  }
  snapshot.next = { state: 'completed', at: aws.now() + aws.settleMs };
}
