import { tmpdir } from 'node:os';
import { Command } from 'commander';
import { osNamed, osNameHint } from '../../config/os-names.ts';
import { KibError, type OsDefinition, systemClock } from '../../core/index.ts';
import type { SourceReport, SourceStatus } from '../../engine/catalog-check.ts';
import { networkFromEnv } from '../../io/network.ts';
import type { Cli } from '../cli.ts';
import { table } from '../table.ts';

export function catalogCommand(cli: Cli): Command {
  const catalog = new Command('catalog').description('what the operating systems of the catalog start from');
  catalog
    .command('check')
    .description('ask the network whether the images of the catalog are still there and what they were; exit status 4 when not')
    .argument('[name...]', 'only these operating systems')
    .option('--json', 'the report as JSON')
    .addHelpText('after', '\nNothing is downloaded but checksum files. Images of clouds and hypervisors are not looked at.')
    .action((names: readonly string[], options: { readonly json?: boolean }) => check(cli, names, options.json === true));
  return catalog;
}

async function check(cli: Cli, names: readonly string[], isJson: boolean): Promise<void> {
  const [{ checkCatalog, isBad }, { withHttp }] = await Promise.all([
    import('../../engine/catalog-check.ts'),
    import('../../io/http.ts'),
  ]);
  const { catalog } = await cli.registry();
  const systems = names.length === 0 ? catalog : names.map((name) => systemOf(catalog, name));
  const { env, signal } = cli.io;
  const reports = await withHttp({ clock: systemClock, network: networkFromEnv(env) }, (http) =>
    checkCatalog({ systems, http, scratch: tmpdir(), signal }),
  );
  if (isJson) cli.printJson(reports);
  else cli.print(reportText(reports, cli));
  const bad = reports.filter(isBad);
  if (bad.length > 0) throw verdict(bad, reports.length);
}

function verdict(bad: readonly SourceReport[], count: number): KibError {
  const rotted = bad.filter(({ status }) => status !== 'unreachable');
  if (rotted.length === 0) {
    return new KibError('KIB_HTTP', `${bad.length} of ${count} images of the catalog could not be asked for`, {
      hint: 'check the network, and http_proxy, https_proxy and no_proxy if there is a proxy',
      retryable: true,
    });
  }
  return new KibError('KIB_CATALOG_ROTTED', `${rotted.length} of ${count} images of the catalog cannot be used as they are`, {
    hint: 'build them with base: latest, or with base.url and base.sha256; a newer kib-native may have other pins',
  });
}

function systemOf(catalog: readonly OsDefinition[], name: string): OsDefinition {
  const os = osNamed(catalog, name);
  if (os !== undefined) return os;
  throw new KibError('KIB_USAGE', `there is no operating system ${name} in the catalog`, {
    hint: osNameHint(catalog, name) ?? 'kib-native list images shows the catalog',
  });
}

const MARKS: Readonly<Record<SourceStatus, string>> = {
  ok: '✓',
  newer: '✓',
  moved: '!',
  rotted: '✗',
  differs: '✗',
  untrusted: '✗',
  unreachable: '?',
};

function reportText(reports: readonly SourceReport[], cli: Cli): string {
  if (reports.length === 0) return 'no image to look at: their bases are brought along, or images of clouds';
  const rows = reports.map(({ os, arch, base, status, detail }) => [`${MARKS[status]} ${os}`, arch, base, status, detail]);
  const { green, yellow, red } = cli.colours;
  const colour = { '✓': green, '!': yellow, '?': yellow, '✗': red } as Readonly<Record<string, (text: string) => string>>;
  return table(rows)
    .split('\n')
    .map((line) => `${colour[line.charAt(0)]?.(line.charAt(0)) ?? line.charAt(0)}${line.slice(1)}`)
    .join('\n');
}
