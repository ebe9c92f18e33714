import type { BaseSource, ChecksumList, OsDefinition } from '../src/core/index.ts';
import { code, GENERATED, markdownTable } from './docs-text.ts';

/** The page of the catalog: what can be built, from what, and until when. */
export function renderSystems(catalog: readonly OsDefinition[]): string {
  const rows = catalog.map((os) => [
    code(os.id),
    os.aliases.map(code).join(', '),
    os.title,
    Object.keys(os.bases).join(', ') || 'any',
    basesText(os),
    signersText(os),
    os.endOfLife ?? 'not announced',
  ]);
  const brought = catalog.filter(({ bring }) => bring !== undefined).map(({ id, bring }) => `- ${code(id)}: ${bring}`);
  return `${[
    '# Operating systems',
    GENERATED,
    [
      'Every name of the catalog and what is understood in its place: the names of image-builder, alone (`image: rockylinux-9`) or as its',
      'targets on the command line (`kib-native build build-qemu-ubuntu-2404-efi`). From the day of its end of life a build warns once.',
    ].join('\n'),
    markdownTable(['Name', 'Aliases', 'System', 'Architectures', 'Bases', 'Signed by', 'End of life'], rows),
    [
      'The first base that the driver can start from is taken; `base:` names another one.',
      '',
      '- `pinned`: a dated cloud image whose digest kib-native knows. It stays the same until kib-native or its distributor changes it.',
      '- `latest`: the cloud image that the distributor’s checksum file names today; signed where the table says by whom, else only HTTPS',
      '  vouches for it, and the build says so.',
      '- `cloud-image`: the first of these two that there is.',
      '- `bootstrap`: assembled on this host from signed packages (Debian).',
      '- `ami`: the newest machine image of its maker on Amazon EC2.',
      '',
      '`kib-native catalog check` asks the network whether all of them are still there, and were not changed.',
    ].join('\n'),
    `## Bases that you bring\n\n${brought.join('\n')}`,
  ].join('\n\n')}\n`;
}

function basesText({ bases }: OsDefinition): string {
  const words = Object.values(bases).flatMap((sources) => sources.map(wordOf));
  return [...new Set(words)].map(code).join(', ') || 'yours';
}

function wordOf(source: BaseSource): string {
  if (source.kind !== 'cloud-image') return source.kind;
  return source.checksum.kind === 'pinned' ? 'pinned' : 'latest';
}

function signersText({ bases }: OsDefinition): string {
  const lists = Object.values(bases).flatMap((sources) => sources.flatMap(listsOf));
  const signers = lists.map(({ signature }) =>
    signature === undefined ? 'nobody' : `${signature.key.owner.replace(/ <.*/, '')} ${code(shortId(signature.key.fingerprint))}`,
  );
  return [...new Set(signers)].join(', ') || '–';
}

function listsOf(source: BaseSource): readonly ChecksumList[] {
  return source.kind === 'cloud-image' && source.checksum.kind === 'file' ? [source.checksum] : [];
}

/** The last 16 digits, as keys are commonly named. */
function shortId(fingerprint: string): string {
  return fingerprint.slice(-16);
}
