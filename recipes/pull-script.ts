import { lines, raw, type Sh, sh } from '../src/core/index.ts';
import type { PullSettings } from './pull.ts';
import type { Runtime } from './runtime.ts';

const RETRY_SECONDS = 5;

/** Variable that the password of the login at `index` is in. */
export function passwordVariable(index: number): string {
  return `KIB_REGISTRY_PASSWORD_${index + 1}`;
}

/** A script that pulls `$1`, a full name: by its digest where it has one, then named by its tag as well. */
export function pullOne(runtime: Runtime, settings: PullSettings): Sh {
  const { mirrors, credentials, plainHttp, attempts } = settings;
  const elsewhere = Object.entries(mirrors).map(
    ([host, mirror]) => sh`${raw(host)}/*) source=${raw(mirror)}/\${repository#*/} ;;`,
  );
  const logins = Object.entries(credentials).map(
    ([host, { username }], index) => sh`${raw(host)}/*) login=${username}:$${raw(passwordVariable(index))} ;;`,
  );
  const insecure = plainHttp.map((host) => sh`${raw(host)}/*) insecure=yes ;;`);
  return lines([
    sh`
      set -eu
      name=$1
      tagged=\${name%%@*}
      case \${tagged##*/} in
        *:*) repository=\${tagged%:*} ;;
        *) repository=$tagged ;;
      esac
      source=$repository login= insecure=
    `,
    ...cases('$repository', elsewhere),
    ...cases('$source/', logins),
    ...cases('$source/', insecure),
    sh`
      case $name in
        *@*) suffix=@\${name#*@} ;;
        *) suffix=\${tagged#"$repository"} ;;
      esac
      attempt=1
    `,
    puller[runtime.name],
    sh`
      until fetch; do
        if [ "$attempt" -ge ${attempts} ]; then echo "$name: not pulled after $attempt attempts" >&2; exit 1; fi
        attempt=$((attempt + 1))
        sleep ${RETRY_SECONDS}
      done
      name_it
      echo "$name"
    `,
  ]);
}

function cases(subject: string, arms: readonly Sh[]): readonly Sh[] {
  return arms.length === 0 ? [] : [sh`case ${raw(subject)} in`, ...arms, sh`esac`];
}

/** `fetch` pulls $source$suffix, `name_it` makes it be called $repository$suffix and $tagged. */
const puller = {
  containerd: sh`
    fetch() {
      ctr --namespace k8s.io images pull --hosts-dir /etc/containerd/certs.d \${insecure:+--plain-http} \${login:+--user "$login"} "$source$suffix" >/dev/null
    }
    name_it() {
      for other in "$repository$suffix" "$tagged"; do
        if [ "$other" = "$source$suffix" ] || [ "$other" = "$repository" ]; then continue; fi
        ctr --namespace k8s.io images tag --force "$source$suffix" "$other" >/dev/null
      done
      if [ "$source" != "$repository" ]; then ctr --namespace k8s.io images rm "$source$suffix" >/dev/null; fi
    }
  `,
  crio: sh`
    fetch() {
      skopeo copy --quiet \${insecure:+--src-tls-verify=false} \${login:+--src-creds "$login"} "docker://$source$suffix" "containers-storage:$repository$suffix"
    }
    name_it() {
      if [ "$tagged" = "$repository" ] || [ "$tagged" = "$repository$suffix" ]; then return; fi
      skopeo copy --quiet "containers-storage:$repository$suffix" "containers-storage:$tagged"
    }
  `,
} as const;
