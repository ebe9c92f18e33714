import { z } from 'zod';
import { type Action, type Check, defineRecipe, type RecipeContext, sh } from '../src/core/index.ts';
import type { Control, Given } from './hardening/control.ts';
import { CONTROLS } from './hardening/index.ts';
import { KUBELET_DROP_IN, KUBELET_FILE } from './hardening/kubelet.ts';
import { setModes } from './hardening/observe.ts';
import { configDirDropIn, KUBELET_CONFIG_DIR } from './kubernetes-files.ts';
import { minorOf } from './versions.ts';

const IDS = CONTROLS.map(({ id }) => id);

const params = z.strictObject({
  level: z
    .union([z.literal(1), z.literal(2)])
    .default(1)
    .describe('Level of the CIS profiles: 1 is what hinders nobody, 2 goes further'),
  skip: z
    .record(z.string(), z.string().min(1, 'must say why'))
    .default({})
    .describe('Controls to leave out, with the reason for each: { linux-5.2.6: editors run over X11 }'),
  add: z
    .array(z.string())
    .default([])
    .describe('Controls beyond the level, or that are off because something may need what they forbid'),
  banner: z
    .string()
    .default('Authorized users only. All activity may be monitored and reported.')
    .describe('Shown before a login'),
});

type Params = z.output<typeof params>;

/**
 * A subset of the CIS benchmarks for Linux and for Kubernetes workers that leaves a node able to do its work: docs/hardening.md lists it,
 * and what is left out and why. What everybody wants of one file goes into it together; each control has a check of its own.
 */
export const hardening = defineRecipe<Params>({
  name: 'hardening',
  summary: 'controls of the CIS benchmarks for Linux and Kubernetes workers, each checked',
  params,
  optional: true,
  after: ['node', 'containerd', 'crio', 'kubernetes', 'cloud-init', 'first-boot'],
  validate: (context, params) => [
    ...Object.keys(params.skip).flatMap((id) => unknown(`skip.${id}`, id)),
    ...params.add.flatMap((id, index) => unknown(`add.${index}`, id)),
    ...params.add
      .filter((id) => Object.hasOwn(params.skip, id))
      .map((id) => ({ path: 'add', message: `${id} is both added and skipped` })),
    ...tooOld(context, params),
  ],
  steps: (context, params) => {
    const controls = chosen(context, params);
    const given = givenOf(context, params);
    return [
      ...sysctls(controls),
      ...blockedModules(controls),
      ...uniqueActions(controls.flatMap(({ wants }) => wants.actions?.(given) ?? [])),
      ...sshd(controls, context),
      ...kubelet(controls, context),
      ...modes(controls),
    ];
  },
  checks: (context, params) => chosen(context, params).map((control) => checkOf(control, givenOf(context, params))),
  properties: (context, params) => ({ HARDENING_CONTROLS: String(chosen(context, params).length) }),
});

function chosen({ os, kubernetes }: RecipeContext, { level, skip, add }: Params): readonly Control[] {
  return CONTROLS.filter(
    (control) =>
      !Object.hasOwn(skip, control.id) &&
      control.notOn?.includes(os.id) !== true &&
      (!control.isKubernetes || kubernetes !== undefined) &&
      (add.includes(control.id) || (control.off === undefined && control.level <= level)),
  );
}

function givenOf({ os }: RecipeContext, { banner }: Params): Given {
  return { os, banner: `${banner.trimEnd()}\n` };
}

function unknown(path: string, id: string) {
  if (IDS.includes(id)) return [];
  const [section = ''] = id.split(/(?<=-\d+\.\d+)/);
  const near = IDS.filter((known) => known.startsWith(section));
  return [{ path, message: `there is no control ${id}`, hint: `there are ${(near.length > 0 ? near : IDS).join(', ')}` }];
}

/** Kubelet reads a folder of configuration from 1.28 on (its --config-dir). */
function tooOld(context: RecipeContext, params: Params) {
  const { kubernetes } = context;
  if (kubernetes === undefined || minorOf(kubernetes.version) >= 28) return [];
  const ids = chosen(context, params)
    .filter(({ wants }) => wants.kubelet !== undefined)
    .map(({ id }) => id);
  if (ids.length === 0) return [];
  return [
    {
      path: 'kubernetes.version',
      message: `kubelet ${kubernetes.version} cannot be hardened by a file beside kubeadm's; that came with v1.28`,
      hint: `use a newer release, or skip ${ids.join(', ')}`,
    },
  ];
}

function merged(controls: readonly Control[], key: 'sysctls' | 'sshd'): Readonly<Record<string, string>> {
  return Object.assign({}, ...controls.map(({ wants }) => wants[key] ?? {})) as Record<string, string>;
}

// After 99-kubernetes, which must not be undone by a name that sorts before it.
function sysctls(controls: readonly Control[]): readonly Action[] {
  const values = merged(controls, 'sysctls');
  return Object.keys(values).length === 0 ? [] : [{ kind: 'sysctl', name: '99-zz-kib-hardening', values }];
}

/** modprobe.d(5): `blacklist` keeps aliases from loading it, `install` everything else. */
function blockedModules(controls: readonly Control[]): readonly Action[] {
  const names = [...new Set(controls.flatMap(({ wants }) => wants.blockedModules ?? []))];
  if (names.length === 0) return [];
  const text = names.map((name) => `blacklist ${name}\ninstall ${name} /bin/false\n`).join('');
  return [
    { kind: 'file', path: '/etc/modprobe.d/kib-hardening.conf', text },
    {
      kind: 'exec',
      title: 'unload the modules',
      script: sh`for module in ${names}; do modprobe --remove --quiet "$module" || :; done`,
      timeoutMs: 60_000,
    },
  ];
}

/**
 * sshd takes the first value it meets (sshd_config(5)), so ours come first: in a file that sorts before all others, or, where the system
 * reads no such files, at the top of the only one. The server that runs takes them up at once; the build's connections stay.
 */
function sshd(controls: readonly Control[], { os }: RecipeContext): readonly Action[] {
  const { KexAlgorithms, ...others } = merged(controls, 'sshd');
  // Taking away from OpenSSH's own list would undo what the system-wide policy leaves out (crypto-policies(7)).
  const settings = os.family === 'rhel' || KexAlgorithms === undefined ? others : { ...others, KexAlgorithms };
  if (Object.keys(settings).length === 0) return [];
  const file = '/etc/ssh/sshd_config.d/00-kib-hardening.conf';
  const text = Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
  return [
    { kind: 'put', title: `write ${file}`, path: file, content: { kind: 'text', text }, mode: '0600', owner: 'root:root' },
    {
      kind: 'exec',
      title: 'let the SSH server take it up',
      script: sh`
        config=/etc/ssh/sshd_config
        if ! grep -Eiq '^[[:space:]]*Include[[:space:]]+/etc/ssh/sshd_config\.d/' "$config" && ! grep -q '^# kib hardening$' "$config"; then
          { echo '# kib hardening'; cat ${file}; cat "$config"; } >"$config.kib"
          cat "$config.kib" >"$config"
          rm -f "$config.kib"
        fi
        mkdir -p /run/sshd
        "$(command -v sshd || echo /usr/sbin/sshd)" -t
        systemctl try-reload-or-restart ${os.sshUnit}
      `,
      timeoutMs: 120_000,
    },
  ];
}

/** kubeadm writes it for everybody to read. */
const NARROW_CONFIG = 'ExecStartPre=-/bin/chmod 0600 /var/lib/kubelet/config.yaml\n';

/** The file's name sorts before a user's own, which win (kubelet --config-dir merges in order). JSON is YAML. */
function kubelet(controls: readonly Control[], { kubernetes }: RecipeContext): readonly Action[] {
  const wanted = controls.flatMap(({ wants }) => (wants.kubelet === undefined ? [] : [wants.kubelet]));
  if (wanted.length === 0 || kubernetes === undefined) return [];
  const config = wanted.reduce<Tree>((tree, part) => deepMerge(tree, part), {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
  });
  return [
    { kind: 'directory', path: KUBELET_CONFIG_DIR, mode: '0700' },
    { kind: 'file', path: KUBELET_FILE, text: `${JSON.stringify(config, undefined, 2)}\n`, mode: '0600' },
    {
      kind: 'file',
      path: KUBELET_DROP_IN,
      text: `${configDirDropIn(minorOf(kubernetes.version))}${NARROW_CONFIG}`,
      mode: '0600',
    },
    { kind: 'exec', title: 'make systemd read kubelet’s unit', script: sh`systemctl daemon-reload`, timeoutMs: 120_000 },
  ];
}

type Tree = Readonly<Record<string, unknown>>;

function deepMerge(a: Tree, b: Tree): Tree {
  const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);
  const merged = Object.entries(b).map(([key, value]) => {
    const before = a[key];
    return [key, isTree(before) && isTree(value) ? deepMerge(before, value) : value] as const;
  });
  return { ...a, ...Object.fromEntries(merged) };
}

function modes(controls: readonly Control[]): readonly Action[] {
  const all = controls.flatMap(({ wants }) => wants.modes ?? []);
  const unique = all.filter(({ path }, index) => all.findIndex((other) => other.path === path) === index);
  if (unique.length === 0) return [];
  return [{ kind: 'exec', title: 'close files to others', script: setModes(unique), timeoutMs: 60_000 }];
}

// Two controls may want the same file.
function uniqueActions(actions: readonly Action[]): readonly Action[] {
  return actions.filter((action, index) => actions.indexOf(action) === index);
}

function checkOf(control: Control, given: Given): Check {
  return {
    name: `hardening/${control.id}`,
    title: `${control.title} (${control.reference})`,
    script: control.check(given),
    expect: { kind: 'equals', text: '' },
    when: control.when ?? ['build', 'boot'],
    timeoutMs: 120_000,
  };
}
