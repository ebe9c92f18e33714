import { type Action, type OsDefinition, type PrimitiveAction, sh } from '../core/index.ts';
import { lowerDirectory, lowerDownload, lowerFile, lowerUnpack } from './lower-files.ts';
import { lowerKernelModules, lowerMask, lowerService, lowerSysctl } from './lower-system.ts';
import { packageManagers } from './package-manager.ts';

/** What an action means on this operating system, in primitives. Pure; primitives come back as they are. */
export function lower(action: Action, os: OsDefinition): readonly PrimitiveAction[] {
  switch (action.kind) {
    case 'exec':
    case 'put':
    case 'reboot':
    case 'breakpoint':
    case 'custom':
      return [action];
    case 'file':
      return [lowerFile(action)];
    case 'directory':
      return [lowerDirectory(action, os)];
    case 'remove':
      return [
        { kind: 'exec', title: `remove ${action.paths.join(', ')}`, script: sh`rm -rf -- ${action.paths}`, timeoutMs: 120_000 },
      ];
    case 'download':
      return [lowerDownload(action)];
    case 'unpack':
      return lowerUnpack(action, os);
    case 'service':
      return [lowerService(action)];
    case 'mask':
      return [lowerMask(action)];
    case 'kernel-modules':
      return lowerKernelModules(action);
    case 'sysctl':
      return lowerSysctl(action);
    case 'install':
      return packageManagers[os.packageManager].install(action.packages);
    case 'hold':
      return packageManagers[os.packageManager].hold(action.packages);
  }
}
