import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PinnedKey } from '../../src/core/index.ts';
import { verifyClearsigned, verifyDetached } from '../../src/io/openpgp.ts';
import { makeSigner, type Signer } from '../support/openpgp.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

const TEXT = 'a digest  disk.qcow2\n';
let signer: Signer;
let stranger: Signer;
let context: TestContext;
beforeAll(async () => {
  context = await testContext();
  [signer, stranger] = await Promise.all([makeSigner(), makeSigner()]);
});
afterAll(async () => {
  expect(await readdir(context.dirs.work)).toEqual([]);
  for (const resource of [signer, stranger, context]) await resource[Symbol.asyncDispose]();
});

const options = (key: PinnedKey) => ({ key, dir: context.dirs.work, what: 'https://example.org/SUMS', signal: context.signal });
const bytes = (text: string) => Buffer.from(text);
const refused = (problem: string) => ({ code: 'KIB_SIGNATURE', message: expect.stringContaining(problem) as string });

describe('a detached signature', () => {
  it('of the pinned key is accepted, armoured or binary', async () => {
    for (const signature of [await signer.detach(TEXT), await signer.detachBinary(TEXT)]) {
      await expect(verifyDetached(bytes(TEXT), signature, options(signer.key))).resolves.toBeUndefined();
    }
  });

  it('of another key is refused, and both are named', async () => {
    const verifying = verifyDetached(bytes(TEXT), await stranger.detach(TEXT), options(signer.key));
    await expect(verifying).rejects.toMatchObject(refused(`want a signature by ${signer.key.owner} (${signer.key.fingerprint})`));
    await expect(verifying).rejects.toMatchObject(refused(stranger.key.fingerprint.slice(-16)));
  });

  it('is refused when the block holds the signing key but another one is pinned', async () => {
    const mixed = { ...signer.key, armored: stranger.key.armored };
    const verifying = verifyDetached(bytes(TEXT), await stranger.detach(TEXT), options(mixed));
    await expect(verifying).rejects.toMatchObject(refused(`got one by ${stranger.key.fingerprint}`));
  });

  it('over another text is refused', async () => {
    const signature = await signer.detach(TEXT);
    await expect(verifyDetached(bytes(`${TEXT}\n`), signature, options(signer.key))).rejects.toMatchObject(
      refused('the text is not what was signed'),
    );
  });

  it.each(['', 'not a signature', '<html>404</html>'])('that is %j is refused', async (signature) => {
    await expect(verifyDetached(bytes(TEXT), bytes(signature), options(signer.key))).rejects.toMatchObject(refused('found none'));
  });

  it('of an expired key is refused', async () => {
    await using old = await makeSigner({ expires: '1d', at: '20200101T000000' });
    const verifying = verifyDetached(bytes(TEXT), await old.detach(TEXT), options(old.key));
    await expect(verifying).rejects.toMatchObject(refused('has expired'));
  });

  it('that has expired itself is refused', async () => {
    await using old = await makeSigner({ at: '20200101T000000', signatureExpires: '1d' });
    const verifying = verifyDetached(bytes(TEXT), await old.detach(TEXT), options(old.key));
    await expect(verifying).rejects.toMatchObject(refused('the signature has expired'));
  });
});

describe('a clear-signed text', () => {
  it('is returned without what stands around it', async () => {
    const signed = (await signer.clearsign('- one\ntwo\n')).toString();
    const document = bytes(`evil before\n${signed}evil after\n`);
    expect(await verifyClearsigned(document, options(signer.key))).toBe('- one\ntwo\n');
  });

  it('is refused when it was changed', async () => {
    const signed = (await signer.clearsign('one\ntwo\n')).toString().replace('two', 'six');
    await expect(verifyClearsigned(bytes(signed), options(signer.key))).rejects.toMatchObject(
      refused('the text is not what was signed'),
    );
  });

  it('of another key, or without any signature, is refused', async () => {
    const foreign = await stranger.clearsign('one\n');
    await expect(verifyClearsigned(foreign, options(signer.key))).rejects.toMatchObject({ code: 'KIB_SIGNATURE' });
    await expect(verifyClearsigned(bytes('one\n'), options(signer.key))).rejects.toMatchObject({ code: 'KIB_SIGNATURE' });
  });

  it('is not taken from a second document', async () => {
    const document = Buffer.concat([await signer.clearsign('one\n'), await stranger.clearsign('two\n')]);
    const reading = verifyClearsigned(document, options(signer.key)).catch((error: { code: string }) => error.code);
    expect(['KIB_SIGNATURE', 'one\n']).toContain(await reading);
  });
});
