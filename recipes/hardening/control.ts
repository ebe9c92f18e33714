import type { Action, OsDefinition, Sh } from '../../src/core/index.ts';

/** CIS Distribution Independent Linux Benchmark 2.0.0. */
export const LINUX = 'CIS Distribution Independent Linux 2.0.0';
/** CIS Kubernetes Benchmark 1.12.0, for Kubernetes 1.32 to 1.34; later releases have no newer one. */
export const KUBERNETES = 'CIS Kubernetes 1.12.0';
/** CIS Kubernetes Benchmark 1.24, the last one that asked for protectKernelDefaults. */
export const KUBERNETES_1_24 = 'CIS Kubernetes 1.24';

/** A file or folder with the widest mode and the owners it may have. What is not there is in order. */
export interface FileMode {
  readonly path: string;
  /** Octal; no bit beyond these may be set. */
  readonly mode: string;
  /** `root:root`, or alternatives that the systems use. The first one is set when none of them is. */
  readonly owners: readonly string[];
}

/** What a control needs, said so that one recipe can put everybody's needs into one file of a kind. */
interface Wants {
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Kernel modules that may not load. */
  readonly blockedModules?: readonly string[];
  /** Settings of sshd_config(5), by name. */
  readonly sshd?: Readonly<Record<string, string>>;
  readonly modes?: readonly FileMode[];
  /** Members of a KubeletConfiguration (kubelet.config.k8s.io/v1beta1). */
  readonly kubelet?: Readonly<Record<string, unknown>>;
  readonly actions?: (given: Given) => readonly Action[];
}

export interface Given {
  readonly os: OsDefinition;
  /** Text of the login banners, with its last line feed. */
  readonly banner: string;
}

/** One control of a benchmark: what makes it so and what shows that it is so. */
export interface Control {
  /** `linux-1.1.1.1`, `kubernetes-4.2.1`: what `skip` and `add` take. */
  readonly id: string;
  /** Benchmark with its version and number. */
  readonly reference: string;
  /** The state, for people: `X11 forwarding is off`. */
  readonly title: string;
  readonly level: 1 | 2;
  /** Whether only an image with Kubernetes has it. */
  readonly isKubernetes: boolean;
  /** Why an image must ask for it by `add`. */
  readonly off?: string;
  /** Catalog names of systems that cannot have it. */
  readonly notOn?: readonly string[];
  readonly wants: Wants;
  /** Exits 0, and prints nothing, when it is so; prints what is wrong. Runs on the live guest. */
  readonly check: (given: Given) => Sh;
  /** Default: both. */
  readonly when?: readonly ('build' | 'boot')[];
}

interface Rest {
  readonly level?: 1 | 2;
  readonly off?: string;
  readonly notOn?: readonly string[];
  readonly wants?: Wants;
  readonly check: Control['check'];
  readonly when?: Control['when'];
}

/** A control of the Linux benchmark. */
export function linux(number: string, title: string, { when, ...rest }: Rest): Control {
  return {
    id: `linux-${number}`,
    reference: `${LINUX} ${number}`,
    title,
    level: 1,
    isKubernetes: false,
    wants: {},
    ...rest,
    ...(when === undefined ? {} : { when }),
  };
}

/** A control of the Kubernetes benchmark, section 4: worker nodes. */
export function kubernetes(number: string, title: string, { when, ...rest }: Rest, benchmark = KUBERNETES): Control {
  return {
    id: `kubernetes-${benchmark === KUBERNETES ? '' : '1.24-'}${number}`,
    reference: `${benchmark} ${number}`,
    title,
    level: 1,
    isKubernetes: true,
    wants: {},
    ...rest,
    ...(when === undefined ? {} : { when }),
  };
}
