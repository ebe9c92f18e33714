import { z } from 'zod';
import { type Action, type Check, defineRecipe, lines, type RecipeContext, sh } from '../src/core/index.ts';
import { API_LOG, kubeadmSample, POLICY, POLICY_TEXT, ruleSets, SAMPLE, watchesOf } from './audit-files.ts';
import { runtimeOf } from './runtime.ts';

const RULES = '/etc/audit/rules.d/50-kib.rules';
const LOCK = '/etc/audit/rules.d/99-kib-lock.rules';
const UNIT = 'auditd.service';

const params = z.strictObject({
  everything: z
    .boolean()
    .default(false)
    .describe('Whether to write down reads, and all that the runtime does with its own files; several records per container'),
  rules: z
    .array(z.string().regex(/^-[waADS] /, 'must be a rule as auditctl takes it, such as -w /etc/ssh -p wa -k ssh'))
    .default([])
    .describe('More rules, as auditctl takes them'),
  locked: z.boolean().default(false).describe('Whether the rules of a running node cannot be changed until it reboots'),
  logMegabytes: z.int().positive().default(50).describe('Size of one log file of auditd, and of the API server'),
  logFiles: z.int().min(2).max(999).default(5).describe('How many of them are kept'),
  policy: z
    .boolean()
    .default(true)
    .describe('Whether an audit policy for the API server is ready for kubeadm, when the image has Kubernetes'),
  policyDays: z.int().positive().default(30).describe('How long logs of the API server are kept'),
});

type Params = z.output<typeof params>;

/** Who changed the container runtime, kubelet and their settings, and who did what in the cluster (auditd(8); "Auditing" in Kubernetes' docs). */
export const audit = defineRecipe({
  name: 'audit',
  summary: 'audit rules for the container runtime and Kubernetes, audit policy for the API server',
  params,
  optional: true,
  after: ['containerd', 'crio', 'cni', 'kubernetes'],
  packages: ({ os }) => [{ name: os.family === 'debian' ? 'auditd' : 'audit' }],
  steps: (context, params) => [
    { kind: 'file', path: RULES, text: `${rulesOf(context, params).join('\n')}\n`, mode: '0640' },
    // The runtime makes this one when it starts, which is after the rules are read.
    ...(stateFolders(context).length === 0
      ? []
      : [
          {
            kind: 'file',
            path: '/etc/tmpfiles.d/kib-audit.conf',
            text: stateFolders(context)
              .map((path) => `d ${path} 0711 root root -\n`)
              .join(''),
          } as const,
        ]),
    ...(params.policy && context.kubernetes !== undefined
      ? ([
          { kind: 'file', path: POLICY, text: POLICY_TEXT, mode: '0600' },
          { kind: 'directory', path: API_LOG, mode: '0700' },
          {
            kind: 'file',
            path: SAMPLE,
            text: kubeadmSample(context.kubernetes, {
              days: params.policyDays,
              count: params.logFiles,
              megabytes: params.logMegabytes,
            }),
          },
        ] as const)
      : []),
    configure(context, params),
    load,
    // Last, and read at boot only: nothing could be changed any more.
    ...(params.locked ? [{ kind: 'file', path: LOCK, text: '-e 2\n', mode: '0640' } as const] : []),
  ],
  checks: (context, params) => [
    {
      name: 'audit/rules',
      title: `${watches(context, params).length} watches are loaded`,
      script: lines([
        sh`loaded=$(auditctl -l)`,
        sh`
          for path in ${watches(context, params).map((rule) => rule.split(' ')[1] ?? '')}; do
            printf '%s\n' "$loaded" | grep -Eq -- "(-w |path=|dir=)$path/?( |\$)" || echo "$path is not watched"
          done
        `,
      ]),
      expect: { kind: 'equals', text: '' },
      when: ['build', 'boot'],
    },
    eventCheck(context, params),
  ],
});

function watches(context: RecipeContext, { everything }: Params): readonly string[] {
  return ruleSets(runtimeOf(context), context.kubernetes !== undefined).flatMap((set) => watchesOf(set, everything));
}

function rulesOf(context: RecipeContext, params: Params): readonly string[] {
  return [...watches(context, params), ...params.rules];
}

function stateFolders(context: RecipeContext): readonly string[] {
  return ruleSets(runtimeOf(context), false).flatMap(({ state }) => state.filter((path) => path.startsWith('/run/')));
}

/** auditctl refuses a watch below a folder that is not there; auditd.conf(5) rotates by size. */
function configure(context: RecipeContext, params: Params): Action {
  const folders = watches(context, params).map((rule) => (rule.split(' ')[1] ?? '').replace(/\/[^/]*$/, ''));
  return {
    kind: 'exec',
    title: 'make the folders to watch, and set the size of the log',
    script: sh`
      mkdir -p ${[
        ...new Set([
          ...folders,
          ...ruleSets(runtimeOf(context), context.kubernetes !== undefined)
            .flatMap(({ settings, state }) => [...settings, ...state])
            .filter(isFolder),
        ]),
      ].sort()}
      set_value() {
        if grep -q "^$1 *=" /etc/audit/auditd.conf; then
          sed -i "s/^$1 *=.*/$1 = $2/" /etc/audit/auditd.conf
        else
          echo "$1 = $2" >>/etc/audit/auditd.conf
        fi
      }
      set_value max_log_file ${params.logMegabytes}
      set_value num_logs ${params.logFiles}
      set_value max_log_file_action ROTATE
    `,
    timeoutMs: 60_000,
  };
}

function isFolder(path: string): boolean {
  return !/\.(service|yaml)$/.test(path) && path !== '/etc/default/kubelet';
}

/** auditd of Enterprise Linux refuses to be restarted by systemctl; it reads its settings again when it gets SIGHUP (auditd(8)). */
const load: Action = {
  kind: 'exec',
  title: 'load the audit rules',
  script: sh`
    systemctl is-enabled --quiet ${UNIT} || systemctl enable ${UNIT}
    systemctl start ${UNIT}
    systemctl kill --signal=HUP ${UNIT}
    augenrules --load
  `,
  timeoutMs: 120_000,
};

/** Does what is watched, and looks for it. Locked or not, the kernel writes it down. */
function eventCheck(context: RecipeContext, params: Params): Check {
  const watched = watches(context, params).find(
    (rule) => isFolder(rule.split(' ')[1] ?? '') && rule.split(' ')[1]?.startsWith('/etc/'),
  );
  const folder = watched?.split(' ')[1];
  if (folder === undefined) {
    return {
      name: 'audit/active',
      title: 'auditd is running',
      script: sh`systemctl is-active ${UNIT}`,
      expect: { kind: 'equals', text: 'active' },
      when: ['build', 'boot'],
    };
  }
  const file = `${folder}/kib-audit-check`;
  return {
    name: 'audit/event',
    title: `a change in ${folder} is written down`,
    script: sh`
      touch ${file}
      rm -f ${file}
      for try in 1 2 3 4 5; do
        if ausearch --input-logs --start recent --file ${file} --format text 2>/dev/null | tail -n 1 | grep .; then exit 0; fi
        sleep 2
      done
      echo 'no event'
    `,
    expect: { kind: 'matches', pattern: 'kib-audit-check' },
    when: ['build', 'boot'],
  };
}
