import {
  type BaseSource,
  canonicalJson,
  type LayerInput,
  type MachineSpec,
  type PlannedAction,
  type Requirement,
  sha256,
} from '../core/index.ts';

/** What is only known once a build is under way, and counts all the same. Without it keys are those of the plan alone. */
export interface KeyFacts {
  /** Hex SHA-256 of the base image. */
  readonly base?: string;
  /** Digest of the seed without its keys. */
  readonly seed?: string;
  /** What the guest's package repositories hold: one line each, `<sha256> <url>`. */
  readonly repositories?: readonly string[];
}

/** Changes when layers of older versions must not be used any more. */
const VERSION = 2;

/** Key of a layer: its parent's, and the digests of its inputs in order. */
export function layerKey(parent: string, inputs: readonly LayerInput[]): string {
  return sha256(canonicalJson({ v: VERSION, parent, inputs: inputs.map(({ digest }) => digest) }));
}

/** Inputs of the `boot` layer: a base is known by its digest where there is one to know. */
export function bootInputs(
  base: BaseSource,
  machine: MachineSpec,
  driver: { readonly name: string; readonly options: unknown },
  digests: ReadonlyMap<string, string>,
  facts: KeyFacts,
): readonly LayerInput[] {
  const identity = facts.base === undefined ? baseIdentity(base, digests) : { sha256: facts.base };
  return [
    input('base', identity),
    input('machine', machine),
    input(`driver ${driver.name}`, driver),
    ...(facts.seed === undefined ? [] : [input('seed', facts.seed)]),
  ];
}

/** Inputs of any other layer: its actions, and the repositories when it installs from them. */
export function actionInputs(
  actions: readonly PlannedAction[],
  requirements: readonly Requirement[],
  facts: KeyFacts,
): readonly LayerInput[] {
  const installs = actions.some((action) => action.kind === 'exec' && action.packages === true);
  return [
    ...(installs && facts.repositories !== undefined ? [repositories(facts.repositories)] : []),
    ...actions
      .filter(({ kind }) => kind !== 'breakpoint')
      .map((action) => ({ name: action.id, digest: digest(hashed(action, requirements)) })),
  ];
}

function repositories(lines: readonly string[]): LayerInput {
  return { name: 'package repositories', digest: digest(lines), text: lines.join('\n') };
}

function input(name: string, value: unknown): LayerInput {
  return { name, digest: digest(value), text: canonicalJson(value) };
}

function digest(value: unknown): string {
  return sha256(canonicalJson(value));
}

function baseIdentity(base: BaseSource, digests: ReadonlyMap<string, string>): unknown {
  switch (base.kind) {
    case 'cloud-image':
      if (base.checksum.kind === 'pinned') return base.checksum.digest;
      return { url: base.url, sha256: digests.get(base.url) };
    case 'file':
      return base.digest ?? { path: base.path };
    case 'ami':
    case 'template':
    case 'bootstrap':
      return base;
  }
}

/** What stands for the bytes of a download: the digest that is known of them, else where they come from. */
function digestKey(url: string, requirement: Requirement | undefined): Readonly<Record<string, string>> {
  if (requirement?.sha256 !== undefined) return { sha256: requirement.sha256 };
  return requirement?.sha512 === undefined ? { url } : { sha512: requirement.sha512 };
}

/** What counts of an action: not its title, its deadline, how often it is tried, or where from its bytes come. */
function hashed(action: PlannedAction, requirements: readonly Requirement[]): unknown {
  switch (action.kind) {
    case 'exec':
      return {
        kind: action.kind,
        script: action.script.masked,
        environment: action.environment,
        secrets: action.secrets,
        exitCodes: action.exitCodes,
      };
    case 'put': {
      const { kind, content, path, mode, owner } = action;
      if (content.kind === 'text') return { kind, sha256: sha256(content.text), path, mode, owner };
      const requirement = requirements.find(({ url }) => url === content.url);
      return {
        kind,
        ...digestKey(content.url, requirement),
        path,
        mode,
        owner,
      };
    }
    case 'reboot':
      return { kind: action.kind, unless: action.unless?.masked };
    case 'breakpoint':
      return undefined;
    case 'custom':
      return { kind: action.kind, key: action.key };
  }
}
