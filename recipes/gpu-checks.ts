import { type Check, type RecipeContext, sh } from '../src/core/index.ts';
import type { Params } from './gpu-params.ts';
import { runtimeOf } from './runtime.ts';

export function gpuChecks(context: RecipeContext, { nvidia, amd }: Params): readonly Check[] {
  const common = { when: ['build', 'boot'] } as const;
  const module = (name: string): Check => ({
    ...common,
    name: `gpu/${name}`,
    title: `the kernel that runs has the module ${name}`,
    script: sh`modinfo --set-version "$(uname -r)" --field filename ${name}`,
    expect: { kind: 'matches', pattern: '\\.ko' },
  });
  const dump = runtimeOf(context)?.name === 'crio' ? sh`crio config 2>/dev/null` : sh`containerd config dump`;
  return [
    ...(nvidia === undefined
      ? []
      : [
          module('nvidia'),
          {
            ...common,
            name: 'gpu/nouveau',
            title: 'nouveau cannot be loaded',
            script: sh`! modprobe nouveau 2>/dev/null; lsmod | grep -w '^nouveau' || :`,
            expect: { kind: 'equals', text: '' },
          } as const,
        ]),
    ...(nvidia?.toolkit === undefined
      ? []
      : [
          {
            ...common,
            name: 'gpu/runtime',
            title: 'containers can be run with the runtime nvidia',
            script: sh`
              nvidia-ctk --version
              ${dump} | grep -F nvidia-container-runtime
            `,
            expect: { kind: 'matches', pattern: '/usr/bin/nvidia-container-runtime' },
          } as const,
        ]),
    ...(amd === undefined ? [] : [module('amdgpu')]),
  ];
}
