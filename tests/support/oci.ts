import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { sha256 } from '../../src/core/index.ts';
import { listenOnFree } from './listen.ts';

/** An image made of nothing but one file, as `FROM scratch` and `COPY` would make it. */
export interface TinyImage {
  /** `sha256:…` of the manifest. */
  readonly digest: string;
  readonly manifest: string;
  /** By digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export function tinyImage(text: string): Promise<TinyImage> {
  return imageOf('hello.txt', text, text);
}

/** An image of a statically linked program, which it runs; `name` tells its copies apart. */
export function programImage(name: string, program: Buffer): Promise<TinyImage> {
  return imageOf('program', program, name);
}

async function imageOf(file: string, content: string | Buffer, createdBy: string): Promise<TinyImage> {
  const layer = await tar({ [file]: content }, 0o755);
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: [`/${file}`] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
      history: [{ created_by: createdBy }],
    }),
  );
  const descriptor = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: `sha256:${sha256(bytes)}`,
    size: bytes.length,
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  });
  const blobs = [layer, config, Buffer.from(manifest)].map((bytes) => [`sha256:${sha256(bytes)}`, bytes] as const);
  return { digest: `sha256:${sha256(manifest)}`, manifest, blobs: new Map(blobs) };
}

/** An OCI image layout in a tar file (image-spec, image-layout.md), the image under a full name. */
export async function ociArchive(image: TinyImage, name: string): Promise<Buffer> {
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: MANIFEST,
        digest: image.digest,
        size: image.manifest.length,
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.split(':').at(-1) ?? '' },
      },
    ],
  };
  return tar({
    'oci-layout': JSON.stringify({ imageLayoutVersion: '1.0.0' }),
    'index.json': JSON.stringify(index),
    ...Object.fromEntries([...image.blobs].map(([digest, bytes]) => [`blobs/${digest.replace(':', '/')}`, bytes])),
  });
}

/** The same image as `docker save` writes it (image-spec of Moby, v1.2). */
export async function dockerArchive(image: TinyImage, name: string): Promise<Buffer> {
  const { config, layers } = JSON.parse(image.manifest) as Record<'config', Descriptor> & {
    readonly layers: readonly Descriptor[];
  };
  const bytes = ({ digest }: Descriptor) => image.blobs.get(digest) ?? '';
  const files = layers.map((layer) => [`${layer.digest.slice(7)}/layer.tar`, bytes(layer)] as const);
  return tar({
    [`${config.digest.slice(7)}.json`]: bytes(config),
    ...Object.fromEntries(files),
    'manifest.json': JSON.stringify([
      { Config: `${config.digest.slice(7)}.json`, RepoTags: [name], Layers: files.map(([path]) => path) },
    ]),
  });
}

interface Descriptor {
  readonly digest: string;
}

export interface RegistryRequest {
  readonly url: string;
  readonly authorization: string | undefined;
}

/**
 * What pulling needs of a registry (distribution-spec, Pull), on a free port of every interface, `port` if it can have that. `images` are by `<repository>:<tag>`; with a
 * `login` (`user:password`) it wants it. `failures` requests of manifests are answered with 503 first.
 */
export async function serveRegistry(
  images: Readonly<Record<string, TinyImage>>,
  options: { readonly login?: string; readonly failures?: number; readonly port?: number } = {},
) {
  const requests: RegistryRequest[] = [];
  let failures = options.failures ?? 0;
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    requests.push({ url, authorization: request.headers.authorization });
    const wanted = options.login === undefined ? undefined : `Basic ${Buffer.from(options.login).toString('base64')}`;
    if (wanted !== undefined && request.headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    const [, repository = '', kind = '', reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(url) ?? [];
    const own = Object.entries(images).filter(([name]) => name.startsWith(`${repository}:`));
    if (kind === 'manifests' && failures-- > 0) {
      response.writeHead(503).end();
      return;
    }
    const image = own.find(([name, { digest }]) => name === `${repository}:${reference}` || digest === reference)?.[1];
    const bytes =
      kind === 'manifests'
        ? image && Buffer.from(image.manifest)
        : own.map(([, { blobs }]) => blobs.get(reference)).find((found) => found !== undefined);
    if (bytes === undefined) {
      response.writeHead(url === '/v2/' ? 200 : 404).end();
      return;
    }
    const type = kind === 'manifests' ? MANIFEST : 'application/octet-stream';
    const digest = `sha256:${sha256(bytes)}`;
    response.writeHead(200, { 'content-type': type, 'content-length': bytes.length, 'docker-content-digest': digest });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  await listenOnFree(server, options.port ?? 0, '0.0.0.0');
  return {
    port: (server.address() as AddressInfo).port,
    requests: requests as readonly RegistryRequest[],
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function tar(files: Readonly<Record<string, string | Buffer>>, mode = 0o644): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name, mode, mtime: new Date(0) }, content);
  archive.finalize();
  return buffer(archive);
}
