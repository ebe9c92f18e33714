import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { catalog } from '../../src/catalog/index.ts';
import { loadRegistry } from '../../src/cli/registry.ts';
import { type BuildPlan, type Driver, isKibError } from '../../src/core/index.ts';
import { explainPlan } from '../../src/plan/explain.ts';
import { planBuild } from '../../src/plan/planner.ts';
import { expectGolden } from '../support/golden.ts';
import { lineDiff } from '../support/line-diff.ts';
import { resolvedImage } from '../support/plan.ts';

/** What a driver cannot do without. */
const OPTIONS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  libvirt: { uri: 'qemu:///system' },
  esxi: { host: 'esxi.example', username: 'root', password: { env: 'ESXI_PASSWORD' }, datastore: 'datastore1' },
  vsphere: {
    server: 'vcenter.example',
    username: 'kib',
    password: { env: 'VSPHERE_PASSWORD' },
    datacenter: 'dc',
    cluster: 'c',
    datastore: 'd',
  },
  ec2: { region: 'eu-central-1' },
};
/** The newest Kubernetes for systems with cgroup v1 alone. */
const KUBERNETES: Readonly<Record<string, string>> = {
  centos7: 'v1.34.11',
  amazonlinux2: 'v1.34.11',
  ubuntu1804: 'v1.34.11',
  photon3: 'v1.34.11',
};
/** Whose plans are kept as JSON too; all others differ in what the text shows. */
const AS_JSON = ['debian13', 'rocky10'];

/** Those that every system has a plan for, or a reason why it has none. */
const DRIVERS = ['qemu', 'libvirt', 'vmware', 'vsphere', 'esxi', 'ec2'];

const { drivers } = await loadRegistry();
const [first, ...others] = drivers;

function planFor(id: string, driver: Driver): BuildPlan {
  const formats = driver.capabilities.formats.slice(0, 1);
  const version = KUBERNETES[id];
  const kubernetes = version === undefined ? {} : { kubernetes: { version } };
  return planBuild(
    resolvedImage(id, { formats, ...kubernetes }, { driver, driverOptions: driver.options.parse(OPTIONS[driver.name] ?? {}) }),
  );
}

/** The plan, or why there is none. */
function textFor(id: string, driver: Driver): string {
  try {
    return explainPlan(planFor(id, driver));
  } catch (error) {
    if (!isKibError(error)) throw error;
    return `refused\n  ${error.message}\n`;
  }
}

/** Without what a driver says of itself, which has tests of its own, and the keys that follow from the rest. */
function comparable(text: string): string {
  return text.replace(/\ndriver [\s\S]*?(?=\nrecipes\n)/, '').replaceAll(/^( *layer \S+) \w{12}$/gm, '$1');
}

describe('plans', () => {
  it('are of every driver', () => {
    expect(drivers.map(({ name }) => name)).toEqual(DRIVERS);
  });

  if (first === undefined) throw new Error('there is no driver');
  it.each(catalog.map(({ id }) => [id]))('%s on every driver, whole for the first and what differs for the others', (id) => {
    const text = textFor(id, first);
    const rest = others.map((driver) => {
      const other = textFor(id, driver);
      const what = other.startsWith('refused') ? other : lineDiff(comparable(text), comparable(other));
      return `\n=== with driver ${driver.name}\n${what === '' ? 'the same\n' : what}`;
    });
    expectGolden(`plans/${id}.txt`, [text, ...rest].join(''));
  });

  it.each(AS_JSON)('%s as JSON', (id) => {
    expectGolden(`plans/${id}.json`, `${JSON.stringify(planFor(id, first), undefined, 2)}\n`);
  });

  it.each(catalog.map(({ id }) => [id]))('%s names every driver once', (id) => {
    const text = readFileSync(fileURLToPath(new URL(`plans/${id}.txt`, import.meta.url)), 'utf8');
    const named = [...text.matchAll(/^(?:=== with )?driver (\S+)$/gm)].map((match) => match[1]);
    expect(named).toEqual(DRIVERS);
  });

  it('has no plan of an operating system that is gone', () => {
    const files = readdirSync(fileURLToPath(new URL('plans', import.meta.url)));
    const wanted = [...catalog.map(({ id }) => `${id}.txt`), ...AS_JSON.map((id) => `${id}.json`)];
    expect(files.sort()).toEqual(wanted.sort());
  });
});
