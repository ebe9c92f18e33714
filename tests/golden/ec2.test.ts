import { describe, it } from 'vitest';
import { ec2 } from '../../drivers/ec2/driver.ts';
import { GiB, type MachineSpec } from '../../src/core/index.ts';
import { expectGolden } from '../support/golden.ts';

const machine: MachineSpec = { arch: 'amd64', firmware: 'uefi', cpus: 4, memoryBytes: 4 * GiB, diskBytes: 20 * GiB, x86Level: 1 };

describe('an EC2 build', () => {
  it.each([
    ['defaults', machine, {}],
    [
      'private',
      { ...machine, arch: 'arm64' as const },
      {
        subnets: ['subnet-0a', 'subnet-0b'],
        bastion: { host: 'bastion.example', user: 'jump' },
        spot: { maxPrice: '0.05' },
        instanceProfile: 'nodes',
        keyPair: 'mine',
        volume: { iops: 4000, throughput: 250, kmsKeyId: 'alias/build' },
        tags: { team: 'nodes' },
        ami: { regions: ['us-east-1', 'us-west-2'], kmsKeyIds: { 'us-east-1': 'alias/images' }, bootMode: 'uefi', tpm: true },
      },
    ],
    ['public', machine, { securityGroups: ['sg-0a'], ami: { regions: 'all', public: true, imdsV2: false } }],
  ] as const)('%s', (name, spec, options) => {
    const lines = ec2.preview(spec, ec2.options.parse({ region: 'eu-central-1', ...options }));
    const text = lines
      .map(
        ({ title, argv: [action = '', input = '{}'] }) =>
          `# ${title}\n${action} ${JSON.stringify(JSON.parse(input), undefined, 2)}\n`,
      )
      .join('\n');
    expectGolden(`fixtures/ec2/${name}.txt`, text);
  });
});
