import { basename } from 'node:path/posix';
import { type HelperAction, lines, type OsDefinition, type PrimitiveAction, sh, sha256 } from '../core/index.ts';

type Helper<K extends HelperAction['kind']> = Extract<HelperAction, { kind: K }>;

const UNPACK_TIMEOUT_MS = 300_000;

export function lowerFile({ path, text, mode = '0644', owner = 'root:root' }: Helper<'file'>): PrimitiveAction {
  return { kind: 'put', title: `write ${path}`, content: { kind: 'text', text }, path, mode, owner };
}

export function lowerDirectory(action: Helper<'directory'>, os: OsDefinition): PrimitiveAction {
  const { path, mode = '0755', owner = 'root:root' } = action;
  const [user = 'root', group = 'root'] = owner.split(':');
  return {
    kind: 'exec',
    title: `make the folder ${path}`,
    script: lines([sh`install -d -m ${mode} -o ${user} -g ${group} -- ${path}`, ...(os.selinux ? [sh`restorecon ${path}`] : [])]),
    timeoutMs: 60_000,
  };
}

export function lowerDownload({ download, path, mode = '0644' }: Helper<'download'>): PrimitiveAction {
  return {
    kind: 'put',
    title: `put ${fileName(download.url)} at ${path}`,
    content: { kind: 'download', url: download.url },
    path,
    mode,
    owner: 'root:root',
  };
}

export function lowerUnpack(action: Helper<'unpack'>, os: OsDefinition): readonly PrimitiveAction[] {
  const { download, into, stripComponents = 0, members = [] } = action;
  const archive = `/var/tmp/kib-unpack-${sha256(download.url).slice(0, 16)}`;
  const options = [
    '--no-same-owner',
    // An archive of `.` must not change the mode of a folder that is there already.
    '--no-overwrite-dir',
    ...(stripComponents === 0 ? [] : [`--strip-components=${stripComponents}`]),
  ];
  return [
    {
      kind: 'put',
      title: `put ${fileName(download.url)}`,
      content: { kind: 'download', url: download.url },
      path: archive,
      mode: '0600',
      owner: 'root:root',
    },
    {
      kind: 'exec',
      title: `unpack ${fileName(download.url)} into ${into}`,
      script: lines([
        sh`
          mkdir -p -- ${into}
          tar --extract --file=${archive} --directory=${into} ${options} -- ${members}
          rm -f ${archive}
        `,
        ...(os.selinux ? [sh`restorecon -R ${into}`] : []),
      ]),
      timeoutMs: UNPACK_TIMEOUT_MS,
    },
  ];
}

/** Last part of a URL's path, for titles. */
function fileName(url: string): string {
  return basename(new URL(url).pathname);
}
