import { dirname, join } from 'node:path';
import { CommandError, run } from './process.ts';

/** One package index that this host's apt is set up to use. */
export interface AptSource {
  /** `http://host/debian`, without a slash at the end. */
  readonly uri: string;
  /** As the sources file spells it: `bookworm-security`. */
  readonly suite: string;
  readonly component: string;
}

/** What this host's apt installs from (sources.list(5)); empty where apt has no sources. Throws KIB_TOOL_MISSING without apt. */
export async function aptSources(signal: AbortSignal): Promise<readonly AptSource[]> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], { signal });
  return stdout
    .split('\n')
    .map((line) => line.trim().split(' '))
    .flatMap(([uri, suite, component]) =>
      uri === undefined || suite === undefined || component === undefined
        ? []
        : [{ uri: uri.replace(/\/+$/, ''), suite, component }],
    );
}

/** Being offline should show within half a minute, or soon; apt would try for some. */
function limits(isHasty: boolean): readonly string[] {
  const seconds = isHasty ? 5 : 15;
  const options = [
    `Acquire::Retries=${isHasty ? 0 : 1}`,
    ...['http', 'https'].map((way) => `Acquire::${way}::Timeout=${seconds}`),
  ];
  return options.flatMap((option) => ['-o', option]);
}

/**
 * Fetches a URL the way apt fetches packages: same transports (http, https, file, tor …), same proxies. Returns whether it was there; throws
 * CommandError when that could not be found out.
 */
export async function aptDownload(
  url: string,
  path: string,
  options: { readonly signal: AbortSignal; readonly isHasty?: boolean },
): Promise<boolean> {
  const { signal, isHasty = false } = options;
  const { stdout } = await run('apt-config', ['shell', 'METHODS', 'Dir::Bin::methods'], { signal });
  const methods = /METHODS='([^']+)'/.exec(stdout)?.[1] ?? '/usr/lib/apt/methods';
  try {
    await run(join(dirname(methods), 'apt-helper'), [...limits(isHasty), 'download-file', url, path], { signal });
    return true;
  } catch (error) {
    if (error instanceof CommandError && isAbsent(error.stderr)) return false;
    throw error;
  }
}

/** What apt's transports say of a file that a reachable server or folder does not have. */
function isAbsent(stderr: string): boolean {
  return /\b(403|404|410)\s|File not found|No such file/.test(stderr);
}
