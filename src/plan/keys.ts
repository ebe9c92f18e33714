import {
  type BaseSource,
  canonicalJson,
  type MachineSpec,
  type PrimitiveAction,
  type Requirement,
  sha256,
} from '../core/index.ts';

/** Key of the `boot` layer: the base and the machine it runs on. A base is known by its digest where there is one to know. */
export function bootKey(base: BaseSource, machine: MachineSpec, digests: ReadonlyMap<string, string>): string {
  return sha256(canonicalJson({ v: 1, base: baseIdentity(base, digests), machine }));
}

/** Key of a layer: its parent's, and what its actions do to the guest. */
export function layerKey(parent: string, actions: readonly PrimitiveAction[], requirements: readonly Requirement[]): string {
  return sha256(canonicalJson({ parent, actions: actions.map((action) => hashed(action, requirements)) }));
}

function baseIdentity(base: BaseSource, digests: ReadonlyMap<string, string>): unknown {
  switch (base.kind) {
    case 'cloud-image':
      if (base.checksum.kind === 'pinned') return base.checksum.digest;
      return { url: base.url, sha256: digests.get(base.url) };
    case 'file':
      return base.digest ?? { path: base.path };
    case 'bootstrap':
      return base;
  }
}

/** What counts of an action: not its title, its deadline, how often it is tried, or where from its bytes come. */
function hashed(action: PrimitiveAction, requirements: readonly Requirement[]): unknown {
  switch (action.kind) {
    case 'exec':
      return { kind: action.kind, script: action.script.masked };
    case 'put': {
      const { kind, content, path, mode, owner } = action;
      if (content.kind === 'text') return { kind, sha256: sha256(content.text), path, mode, owner };
      const requirement = requirements.find(({ url }) => url === content.url);
      return {
        kind,
        ...(requirement?.sha256 === undefined ? { url: content.url } : { sha256: requirement.sha256 }),
        path,
        mode,
        owner,
      };
    }
    case 'reboot':
      return { kind: action.kind, unless: action.unless?.masked };
    case 'custom':
      return { kind: action.kind, key: action.key };
  }
}
