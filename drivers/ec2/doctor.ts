import { Ec2 } from '../../src/aws/api.ts';
import { type Finding, isKibError, type KibError, type MachineSpec, systemClock, throwIfAborted } from '../../src/core/index.ts';
import type { Ec2Options } from './options.ts';
import { deniedActions } from './permissions.ts';

/** Looks at credentials, region and permissions, without making anything: every call that changes something is a dry run. */
export async function doctor(
  options: Ec2Options,
  machine: Pick<MachineSpec, 'arch' | 'firmware'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  throwIfAborted(signal);
  const name = `EC2 in ${options.region}`;
  try {
    using ec2 = await Ec2.open(options, { clock: systemClock });
    const { accessKeyId } = await ec2.credentials();
    throwIfAborted(signal);
    const { denied, asked } = await deniedActions(ec2, machine, options, signal);
    const reached = { name, status: 'ok' as const, detail: `access key …${accessKeyId.slice(-4)}` };
    if (denied.length === 0) {
      return [reached, { name: 'EC2 permissions', status: 'ok', detail: `${asked} dry runs were allowed` }];
    }
    return [
      reached,
      {
        name: 'EC2 permissions',
        status: 'missing',
        detail: `not allowed: ${denied.join(', ')}`,
        fix: 'docs/drivers/ec2.md has the whole policy',
      },
    ];
  } catch (error) {
    throwIfAborted(signal);
    if (!isKibError(error)) throw error;
    return [missing(name, error)];
  }
}

function missing(name: string, { message, hint }: KibError): Finding {
  return { name, status: 'missing', detail: message, ...(hint === undefined ? {} : { fix: hint }) };
}
