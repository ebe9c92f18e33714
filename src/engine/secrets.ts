import {
  type BuildPlan,
  type Clock,
  canonicalJson,
  errorMessage,
  KibError,
  Secret,
  type SecretRef,
  throwIfAborted,
} from '../core/index.ts';
import { readSecretText, type SecretSources, secretName } from '../io/read-secret.ts';

/** The secrets of a build, in the memory of this process alone. */
export interface SecretValues {
  readonly all: readonly Secret[];
  /** Throws for a reference that no action of the plan has. */
  of(ref: SecretRef): Secret;
}

/** Linux takes no longer variable: MAX_ARG_STRLEN, execve(2). */
const MAX_BYTES = 128 * 1024 - 256;

interface Wanted {
  readonly ref: SecretRef;
  /** `TOKEN of provision/1`. */
  readonly uses: string[];
}

/** Reads every secret that an action of the plan refers to, each once. Throws one KIB_SECRET_MISSING that names all that cannot be read. */
export async function readSecrets(
  plan: BuildPlan,
  sources: SecretSources,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<SecretValues> {
  const wanted = wantedBy(plan);
  const values = new Map<string, Secret>();
  const problems: { readonly message: string; readonly hint: string }[] = [];
  // One after the other: two programs must not ask for a passphrase at once.
  for (const [key, { ref, uses }] of wanted) {
    try {
      values.set(key, new Secret(secretName(ref), usable(await readSecretText(ref, sources, options))));
    } catch (error) {
      throwIfAborted(options.signal);
      problems.push({ message: `${secretName(ref)} ${errorMessage(error)} (${uses.join(', ')})`, hint: hintFor(ref) });
    }
  }
  const [first] = problems;
  if (first !== undefined) {
    const what = problems.length === 1 ? 'a secret' : `${problems.length} secrets`;
    throw new KibError('KIB_SECRET_MISSING', `cannot read ${what}: ${problems.map(({ message }) => message).join('; ')}`, {
      hint: first.hint,
      details: { secrets: problems.map(({ message }) => message) },
    });
  }
  return {
    all: [...values.values()],
    of(ref) {
      const secret = values.get(canonicalJson(ref));
      if (secret === undefined) throw new Error(`the secret ${secretName(ref)} was not read before the build`);
      return secret;
    },
  };
}

function wantedBy({ layers, seal }: BuildPlan): ReadonlyMap<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  for (const action of [...layers.flatMap(({ actions }) => actions), ...seal]) {
    if (action.kind !== 'exec') continue;
    for (const [name, ref] of Object.entries(action.secrets ?? {})) {
      const key = canonicalJson(ref);
      const entry = wanted.get(key) ?? { ref, uses: [] };
      entry.uses.push(`${name} of ${action.id}`);
      wanted.set(key, entry);
    }
  }
  return wanted;
}

function usable(value: string): string {
  if (value === '') throw new Error('is empty');
  if (value.includes('\0')) throw new Error('holds a zero byte, which no variable can');
  if (Buffer.byteLength(value) > MAX_BYTES) throw new Error('is larger than 127 KiB, which no variable can hold');
  return value;
}

function hintFor(ref: SecretRef): string {
  if ('env' in ref) return `export ${ref.env}=…`;
  return 'file' in ref ? 'paths start at the folder of the image file' : 'run the command by itself to see why';
}
