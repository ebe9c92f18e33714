import { diffTrees, type ImageFiles, readImage, type TreeDifference } from '../tests/support/image-tree.ts';
import { ALLOWED } from './allowed.ts';

/** Two finished images that should hold the same system. */
export interface Comparison {
  readonly a: { readonly name: string; readonly path: string };
  readonly b: { readonly name: string; readonly path: string };
  /** Paths that are to differ, since that is what the scenario changed. */
  readonly changed?: readonly string[];
}

/** Facts that are compared as such, apart from the files they stand in. */
interface Facts {
  readonly packages: ReadonlyMap<string, string>;
  readonly sysctls: ReadonlyMap<string, string>;
  /** Units that are enabled (a link in a .wants or .requires folder) or masked. */
  readonly units: ReadonlyMap<string, string>;
}

/**
 * Reads both images offline and throws unless they have the same packages, kernel settings, enabled and masked units, and files, apart from
 * what allowed.ts lists with its reasons. Returns a sentence for the report.
 */
export async function sameEndState({ a, b, changed = [] }: Comparison, signal: AbortSignal): Promise<string> {
  const left = await readImage(a.path, 'qcow2', isFact, signal);
  const right = await readImage(b.path, 'qcow2', isFact, signal);
  const [these, those] = [factsOf(left), factsOf(right)];
  const problems = [
    ...differences('package', these.packages, those.packages),
    ...differences('kernel setting', these.sysctls, those.sysctls),
    ...differences('unit', these.units, those.units),
  ];
  const all = diffTrees(left.tree, right.tree);
  const unexpected = all.filter((difference) => !changed.includes(difference.path) && !isAllowed(difference));
  problems.push(...unexpected.map(({ path, kind, detail }) => `${path} ${kind} ${detail}`.trim()));
  for (const path of changed) if (!all.some((difference) => difference.path === path)) problems.push(`${path} should differ`);
  if (problems.length > 0) {
    const list = problems.slice(0, 200).join('\n  ');
    throw new Error(`${a.name} (a) and ${b.name} (b) did not end up the same, ${problems.length} differences:\n  ${list}`);
  }
  const counts = `${these.packages.size} packages, ${these.sysctls.size} kernel settings, ${these.units.size} enabled or masked units`;
  const rest = all.length - changed.length;
  return `${a.name} and ${b.name} ended up the same: ${counts}, ${left.tree.size} paths; ${rest} paths differ as allowed.ts says`;
}

/** The report's part on what may differ: every reason, and what it covers. */
export function allowedDifferences(): readonly string[] {
  return ALLOWED.map(
    ({ paths, reason }) => `${reason}: ${paths.map((path) => `\`${path.source.replaceAll('\\/', '/')}\``).join(', ')}`,
  );
}

function isAllowed({ path }: TreeDifference): boolean {
  return ALLOWED.some(({ paths }) => paths.some((pattern) => pattern.test(path)));
}

function differences(what: string, a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((name) => a.get(name) !== b.get(name))
    .map((name) => `${what} ${name}: ${a.get(name) ?? 'none'} (a), ${b.get(name) ?? 'none'} (b)`);
}

const STATUS = '/var/lib/dpkg/status';
const AUTOMATIC = '/var/lib/apt/extended_states';
const UNITS = '/etc/systemd/system/';
const SYSCTL = /^(\/etc\/sysctl\.conf|\/(etc|usr\/lib)\/sysctl\.d\/[^/]+\.conf)$/;

function isFact(path: string): boolean {
  return path === STATUS || path === AUTOMATIC || SYSCTL.test(path);
}

function factsOf({ tree, texts }: ImageFiles): Facts {
  const packages = new Map<string, string>();
  for (const fields of paragraphs(texts.get(STATUS) ?? ''))
    packages.set(`${fields.get('Package')}:${fields.get('Architecture')}`, `${fields.get('Version')} ${fields.get('Status')}`);
  for (const fields of paragraphs(texts.get(AUTOMATIC) ?? '')) {
    if (fields.get('Auto-Installed') !== '1') continue;
    packages.set(`${fields.get('Package')}, installed for another`, 'yes');
  }
  const units = new Map<string, string>();
  for (const [path, { target }] of tree) {
    if (target === undefined || !path.startsWith(UNITS)) continue;
    if (target === '/dev/null' || /\.(wants|requires)\//.test(path)) units.set(path.slice(UNITS.length), target);
  }
  return { packages, sysctls: sysctls(texts), units };
}

/** As sysctl.d(5) has it: files by their names whatever their folder, the last wins, /etc/sysctl.conf by its link 99-sysctl.conf. */
function sysctls(texts: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const name = (path: string): string => (path === '/etc/sysctl.conf' ? '99-sysctl.conf' : (path.split('/').at(-1) ?? ''));
  const files = [...texts].filter(([path]) => SYSCTL.test(path)).sort(([a], [b]) => (name(a) < name(b) ? -1 : 1));
  const values = new Map<string, string>();
  for (const [, text] of files) {
    for (const line of text.split('\n')) {
      const [, key = '', value = ''] = /^\s*-?([^#;=\s]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (key !== '') values.set(key.replaceAll('/', '.'), value);
    }
  }
  return values;
}

function paragraphs(text: string): readonly ReadonlyMap<string, string>[] {
  return text
    .split(/\n\n+/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map(
      (paragraph) => new Map([...paragraph.matchAll(/^([A-Za-z-]+): (.*)$/gm)].map(([, name = '', value = '']) => [name, value])),
    );
}
