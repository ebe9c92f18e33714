import { type HelperAction, lines, type PrimitiveAction, sh } from '../core/index.ts';
import { lowerFile } from './lower-files.ts';

type Helper<K extends HelperAction['kind']> = Extract<HelperAction, { kind: K }>;

const SERVICE_TIMEOUT_MS = 300_000;

/**
 * systemd reads all its units again before one of them starts, since there may be a new file of it, and not after links in /etc alone: it sees those when it
 * next does, at the latest when the image boots. One that is enabled is left alone, since enabling asks update-rc.d(8) first, which takes longer than all else.
 */
export function lowerService({ unit, enabled, state }: Helper<'service'>): PrimitiveAction {
  const enable = enabled ? 'enable' : 'disable';
  const verb = state === undefined ? undefined : ({ started: 'start', stopped: 'stop', restarted: 'restart' } as const)[state];
  const links = enabled
    ? sh`if [ "$(systemctl is-enabled ${unit} 2>/dev/null)" != enabled ]; then systemctl --no-reload enable ${unit}; fi`
    : sh`systemctl --no-reload disable ${unit}`;
  return {
    kind: 'exec',
    title: `${enable}${verb === undefined ? '' : ` and ${verb}`} ${unit}`,
    script: lines([
      links,
      ...(verb === 'start' || verb === 'restart' ? [sh`systemctl daemon-reload`] : []),
      ...(verb === undefined ? [] : [sh`systemctl ${verb} ${unit}`]),
    ]),
    timeoutMs: SERVICE_TIMEOUT_MS,
  };
}

/**
 * Masking works for units that do not exist, stopping does not. They are stopped, and systemd need not read all units again to keep them so:
 * it sees the mask when it next does, at the latest when the image boots.
 */
export function lowerMask({ units }: Helper<'mask'>): PrimitiveAction {
  return {
    kind: 'exec',
    title: `mask ${units.join(', ')}`,
    script: sh`
      systemctl stop ${units} 2>/dev/null || :
      systemctl --no-reload mask ${units}
    `,
    timeoutMs: SERVICE_TIMEOUT_MS,
  };
}

/** modules-load.d(5). */
export function lowerKernelModules({ name, modules }: Helper<'kernel-modules'>): readonly PrimitiveAction[] {
  return [
    lowerFile({ kind: 'file', path: `/etc/modules-load.d/${name}.conf`, text: textOf(modules) }),
    {
      kind: 'exec',
      title: `load the kernel modules ${modules.join(', ')}`,
      script: sh`modprobe --all -- ${modules}`,
      timeoutMs: 60_000,
    },
  ];
}

/** sysctl.d(5). Applied by what applies them at boot, so that what works now works then. */
export function lowerSysctl({ name, values }: Helper<'sysctl'>): readonly PrimitiveAction[] {
  const path = `/etc/sysctl.d/${name}.conf`;
  return [
    lowerFile({ kind: 'file', path, text: textOf(Object.entries(values).map(([key, value]) => `${key} = ${value}`)) }),
    {
      kind: 'exec',
      title: `apply ${path}`,
      // --strict came with systemd 245, and 18.04 of Ubuntu has /lib apart from /usr/lib.
      script: sh`
        apply=/usr/lib/systemd/systemd-sysctl
        if [ ! -x "$apply" ]; then apply=/lib/systemd/systemd-sysctl; fi
        if "$apply" --strict --help >/dev/null 2>&1; then "$apply" --strict ${path}; else "$apply" ${path}; fi
      `,
      timeoutMs: 60_000,
    },
  ];
}

function textOf(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
