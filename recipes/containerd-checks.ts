import { type Check, sh } from '../src/core/index.ts';

/** What the running containerd got, not what a file says. */
export function limitCheck(files: number): Check {
  return {
    name: 'containerd/open-files',
    title: `containerd may open ${files} files`,
    script: sh`
      pid=$(systemctl show --property MainPID containerd.service)
      awk '/^Max open files/ { print $4 }' "/proc/\${pid#MainPID=}/limits"
    `,
    expect: { kind: 'equals', text: String(files) },
    when: ['build', 'boot'],
  };
}

export function pullTimeoutCheck(timeout: string): Check {
  return {
    name: 'containerd/pull-timeout',
    title: `a pull without progress ends after ${timeout}`,
    script: sh`containerd config dump | grep image_pull_progress_timeout`,
    // 10m is dumped as 10m0s.
    expect: { kind: 'matches', pattern: `["']${timeout.replaceAll('.', '\\.')}` },
    when: ['build', 'boot'],
  };
}

export function noProxyCheck(unit: string, name: string): Check {
  return {
    name: `${name}/proxy`,
    title: 'the proxy of the build is forgotten',
    script: sh`systemctl show --property Environment ${unit}`,
    expect: { kind: 'matches', pattern: '^Environment=(?!.*_PROXY)' },
    when: ['boot'],
  };
}
