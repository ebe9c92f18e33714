// Compiles Kubernetes binaries from its Go modules. `go install` cannot: it refuses a module that has replacements.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localGo, NoGoError, runGo, toolchainFor } from './go.mjs';

const KUBERNETES = 'k8s.io/kubernetes';

/**
 * Writes one static linux executable per name into the folder `bin`; `module` is a scratch folder.
 * @param {{
 *   version: string, arch: string, names: readonly string[], module: string, bin: string,
 *   onLine: (line: string) => void, signal: AbortSignal | undefined,
 * }} job
 * @throws {NoGoError}
 */
export async function compileKubernetes({ version, arch, names, module, bin, onLine, signal }) {
  if (!localGo()) throw new NoGoError(`Kubernetes ${version} has to be compiled, and there is no go on PATH`);
  await mkdir(module, { recursive: true });
  await mkdir(bin, { recursive: true });
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', GOWORK: 'off', CGO_ENABLED: '0' };
  const options = { cwd: module, env, signal, onLine };

  const info = JSON.parse(await runGo(['list', '-m', '-json', `${KUBERNETES}@${version}`], options));
  const upstream = JSON.parse(await runGo(['mod', 'edit', '-json', info.GoMod], options));
  const toolchain = toolchainFor(upstream.Go);
  if (!toolchain) {
    throw new NoGoError(`Kubernetes ${version} needs Go >= ${upstream.Go}; PATH has ${localGo()}, which may not fetch another`);
  }
  env['GOTOOLCHAIN'] = toolchain;

  onLine(`fetching ${KUBERNETES} ${version}`);
  const { Dir: source } = JSON.parse(await runGo(['mod', 'download', '-json', `${KUBERNETES}@${version}`], options));
  await writeFile(join(module, 'go.mod'), await readFile(info.GoMod));
  // Its own go.sum pins every third-party module, so only k8s.io/* is looked up in the checksum database.
  await writeFile(join(module, 'go.sum'), await readFile(join(source, 'go.sum')));
  const edits = ['-module=kib.test/kubernetes', `-require=${KUBERNETES}@${version}`, ...staging(upstream, version)];
  await runGo(['mod', 'edit', ...edits], options);

  onLine(`compiling ${names.join(', ')} for linux/${arch}: takes minutes`);
  // The tags are those of a release build; grpcnotrace lets the linker drop dead code.
  const flags = ['-v', '-trimpath', '-buildvcs=false', '-tags=selinux,notest,grpcnotrace', `-ldflags=${ldflags(version, info)}`];
  const packages = names.map((name) => `${KUBERNETES}/cmd/${name}`);
  const target = { ...env, GOOS: 'linux', GOARCH: arch };
  await runGo(['build', ...flags, '-o', `${bin}/`, ...packages], { ...options, env: target, onLine: summary(onLine) });
}

/**
 * Kubernetes replaces its staging modules by folders which its module archive lacks; they are published as v0.x.y.
 * @param {{ Replace: { Old: { Path: string }, New: { Path: string } }[] }} upstream
 * @param {string} version
 */
function staging(upstream, version) {
  const local = upstream.Replace.filter((row) => row.New.Path.startsWith('./staging/'));
  return local.map(({ Old }) => `-replace=${Old.Path}=${Old.Path}@${version.replace(/^v1\./, 'v0.')}`);
}

/**
 * The stamps of a release build; the date is that of the tag, so that the same input gives the same bytes.
 * @param {string} version
 * @param {{ Time?: string, Origin?: { Hash?: string } }} info
 */
function ldflags(version, info) {
  const [major = '', minor = ''] = version.slice(1).split('.');
  const stamps = Object.entries({
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
    gitCommit: info.Origin?.Hash ?? '',
    buildDate: info.Time ?? '1970-01-01T00:00:00Z',
  });
  const targets = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const sets = targets.flatMap((target) => stamps.map(([key, value]) => `-X ${target}.${key}=${value}`));
  return ['-s -w', ...sets].join(' ');
}

/**
 * Passes on what `go build -v` says, but of the thousand package names only one in ten seconds.
 * @param {(line: string) => void} onLine
 * @returns {(line: string) => void}
 */
function summary(onLine) {
  let packages = 0;
  let reported = Date.now();
  return (line) => {
    if (line.includes(' ')) return onLine(line);
    packages += 1;
    if (Date.now() - reported < 10_000) return;
    reported = Date.now();
    onLine(`${packages} packages compiled, now ${line}`);
  };
}
