import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDeb } from '../deb/repository.ts';

export const SSM_VERSION = '3.3.987.0';
export const AWS_CLI_VERSION = '2.31.9';

/** A package as Amazon publishes its agent, around a program that does nothing. */
export async function ssmAgent(scratch: string): Promise<Buffer> {
  const file = await makeDeb(scratch, {
    name: 'amazon-ssm-agent',
    version: SSM_VERSION,
    files: {
      '/usr/bin/amazon-ssm-agent': `#!/bin/sh
if [ "\${1-}" = -version ]; then echo "SSM Agent version: ${SSM_VERSION}"; exit 0; fi
mkdir -p /var/lib/amazon/ssm
cat /proc/sys/kernel/random/uuid >/var/lib/amazon/ssm/registration
exec sleep infinity
`,
      '/usr/lib/systemd/system/amazon-ssm-agent.service':
        '[Service]\nExecStart=/usr/bin/amazon-ssm-agent run\n[Install]\nWantedBy=multi-user.target\n',
    },
    postinst: 'systemctl enable --now amazon-ssm-agent.service',
  });
  return readFileSync(file);
}

/** An archive laid out as that of the AWS command line, with an installer that knows the same options, around a program that tells its version. */
export function awsCli(scratch: string): Buffer {
  const folder = join(scratch, 'awscli');
  mkdirSync(join(folder, 'aws', 'dist'), { recursive: true });
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, 'aws', name), text);
    chmodSync(join(folder, 'aws', name), 0o755);
  };
  put('dist/aws', `#!/bin/sh\necho "aws-cli/${AWS_CLI_VERSION} Python/3.13.7 Linux/$(uname -r) exe/x86_64.debian.13"\n`);
  put(
    'install',
    `#!/bin/sh
set -eu
while [ $# -gt 0 ]; do
  case $1 in
    --update) shift ;;
    --install-dir) install=$2; shift 2 ;;
    --bin-dir) bin=$2; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 252 ;;
  esac
done
to=$install/v2/${AWS_CLI_VERSION}
mkdir -p "$to/bin" "$bin"
cp -r "$(dirname "$0")/dist" "$to/"
ln -sf ../dist/aws "$to/bin/aws"
ln -sfn "$to" "$install/v2/current"
ln -sf "$install/v2/current/bin/aws" "$bin/aws"
`,
  );
  execFileSync('zip', ['-qr', 'awscli.zip', 'aws'], { cwd: folder });
  return readFileSync(join(folder, 'awscli.zip'));
}
