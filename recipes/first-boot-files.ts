import { sh } from '../src/core/index.ts';

export const FIRST_BOOT_UNIT = 'kib-first-boot.service';

/** Everything the recipe leaves in an image is below these; nothing of it is left once it succeeded. */
export const PATHS = {
  /** Programs live here, since SELinux calls what lies here one. */
  folder: '/usr/libexec/kib-first-boot',
  unit: `/etc/systemd/system/${FIRST_BOOT_UNIT}`,
  status: '/var/lib/kib-first-boot/status',
};
export type FirstBootPaths = typeof PATHS;

/** Where a script must be put to run on first boot; they run in the order of their numbers. */
export function firstBootScript(order: number, name: string): string {
  return `${PATHS.folder}/scripts/${String(order).padStart(2, '0')}-${name}`;
}

/**
 * systemd.unit(5). The host name is there once cloud-init's network stage is over, which 24.3 renamed; ordering after units that do not exist
 * says nothing. Without default dependencies multi-user.target does not wait for it, for which on Debian and Ubuntu cloud-init's
 * last stage waits in turn.
 */
export function firstBootUnit(before: readonly string[]): string {
  return `[Unit]
Description=First boot of this machine
DefaultDependencies=no
Requires=sysinit.target
Wants=network-online.target
After=sysinit.target basic.target network-online.target cloud-init.service cloud-init-network.service cloud-config.service
After=containerd.service crio.service
Before=${['shutdown.target', ...before].join(' ')}
Conflicts=shutdown.target
ConditionPathExists=${PATHS.folder}/run

[Service]
Type=oneshot
ExecStart=${PATHS.folder}/run
Environment=HOME=/root
TimeoutStartSec=infinity
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
`;
}

export interface RunnerOptions {
  readonly attempts: number;
  readonly retrySeconds: number;
  readonly timeoutSeconds: number;
  readonly hostnameSeconds: number;
}

/**
 * What the unit runs. A script that succeeded is deleted there and then, so that a machine which dies in the middle goes on with the one it
 * died in. The unit goes last but one: whatever happens before, the next boot tries again.
 */
export function runnerText(options: RunnerOptions, paths: FirstBootPaths = PATHS): string {
  const { attempts, retrySeconds, timeoutSeconds, hostnameSeconds } = options;
  const body = sh`
    folder=${paths.folder}
    unit=${paths.unit}
    status=${paths.status}

    say() {
      mkdir -p "$(dirname "$status")"
      printf '%s\n' "$*" >"$status.new"
      mv "$status.new" "$status"
      sync
      printf '%s\n' "$*"
    }

    has_name() {
      case $(uname -n) in
        '' | '(none)' | localhost | localhost.*) return 1 ;;
      esac
    }

    waited=0
    until has_name; do
      if [ "$waited" -ge ${hostnameSeconds} ]; then
        say "failed: the machine has no host name of its own after $waited s; the next boot tries again"
        exit 1
      fi
      sleep 1
      waited=$((waited + 1))
    done

    for script in "$folder"/scripts/*; do
      [ -f "$script" ] || continue
      name=$(basename "$script")
      attempt=1
      while :; do
        say "running: $name on $(uname -n), attempt $attempt of ${attempts}"
        code=0
        timeout --kill-after=30 ${timeoutSeconds} "$script" </dev/null || code=$?
        [ "$code" -ne 0 ] || break
        why="exited with status $code"
        if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then why="took longer than ${timeoutSeconds} s"; fi
        if [ "$attempt" -ge ${attempts} ]; then
          say "failed: $name $why, attempt $attempt of ${attempts}; the next boot tries again"
          exit 1
        fi
        say "waiting: $name $why, attempt $attempt of ${attempts}"
        sleep ${retrySeconds}
        attempt=$((attempt + 1))
      done
      rm -f "$script"
      sync
    done

    rm -rf "$folder/scripts" "$(dirname "$status")"
    systemctl disable --quiet "$(basename "$unit")"
    rm -f "$unit"
    rm -rf "$folder"
    systemctl daemon-reload
    echo 'first boot is done'
  `;
  return `#!/bin/sh\nset -u\n${body.text}\n`;
}
