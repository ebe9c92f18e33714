import { type Action, type Check, sh } from '../src/core/index.ts';
import type { Runtime } from './runtime.ts';

/** crictl(1) reads its endpoint here. */
export function crictlConfig({ socket }: Runtime): Action {
  return {
    kind: 'file',
    path: '/etc/crictl.yaml',
    text: `runtime-endpoint: ${socket}\nimage-endpoint: ${socket}\ntimeout: 10\n`,
  };
}

/** The runtime names itself: containerd as containerd, CRI-O as cri-o. */
export function crictlCheck({ name, title, socket }: Runtime): Check {
  const named = title.toLowerCase();
  return {
    name: `${name}/crictl`,
    title: `crictl talks to ${title}`,
    script: sh`
      grep -Fx ${`runtime-endpoint: ${socket}`} /etc/crictl.yaml
      if command -v crictl >/dev/null; then crictl version; else echo ${`RuntimeName: ${named} (crictl is not installed)`}; fi
    `,
    expect: { kind: 'matches', pattern: `^RuntimeName: +${named}` },
    when: ['build', 'boot'],
  };
}
