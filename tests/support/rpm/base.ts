import type { Context } from '../../../src/core/index.ts';
import { bootstrapBase } from '../../../src/engine/base/bootstrap.ts';
import { changedBase } from '../boot-base.ts';

/** What dnf of Enterprise Linux is told (dnf.conf of its package). */
const DNF_CONF = `[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
`;

const OS_RELEASE = `NAME="Rocky Linux"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.6"
PRETTY_NAME="Debian packages, for tests of dnf"
`;

/**
 * A Debian system with dnf and rpm that looks like Enterprise Linux where a build looks: os-release, dnf.conf, one repository of its own called
 * `os`, at `url`/os. Its rpm database is empty. It tests what we make dnf do, not Enterprise Linux. A raw image, below `dir`.
 */
export async function rpmShapedBase(url: string, dir: string, key: string, context: Context): Promise<string> {
  const packages = ['dnf', 'dnf-plugins-core', 'rpm'];
  const { path } = await bootstrapBase({ kind: 'bootstrap', suite: 'trixie', packages }, 'amd64', context);
  const files = {
    'os-release': OS_RELEASE,
    'dnf.conf': DNF_CONF,
    'os.repo': `[os]\nname=Operating system\nbaseurl=${url}/os/\nenabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-os\n`,
    'key.asc': key,
    releasever: '9\n',
  };
  const commands = [
    'rm /etc/os-release',
    'write os-release /etc/os-release',
    'rm /etc/dnf/dnf.conf',
    'write dnf.conf /etc/dnf/dnf.conf',
    'write releasever /etc/dnf/vars/releasever',
    // A repository of what was installed before, without a key; Enterprise Linux does not have it on.
    'rm /etc/dnf/plugins/local.conf',
    'mkdir /etc/yum.repos.d',
    'write os.repo /etc/yum.repos.d/os.repo',
    'mkdir /etc/pki',
    'mkdir /etc/pki/rpm-gpg',
    'write key.asc /etc/pki/rpm-gpg/RPM-GPG-KEY-os',
  ];
  return changedBase(path, dir, 'rpm-base', commands, files);
}
