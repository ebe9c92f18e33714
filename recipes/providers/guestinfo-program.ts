/** Where the program reads and writes; tests give others. */
export interface GuestinfoPaths {
  /** cloud-init's folder for a seed of NoCloud (cloudinit.readthedocs.io, datasource NoCloud). */
  readonly seed: string;
  readonly uuid: string;
}

export const GUESTINFO_PATHS: GuestinfoPaths = {
  seed: '/var/lib/cloud/seed/nocloud',
  uuid: '/sys/class/dmi/id/product_uuid',
};

/**
 * A program for Python 2.7 and 3 with PyYAML, cloud-init's own requirements: writes what guestinfo has for cloud-init as a seed of NoCloud, or
 * removes what it wrote before when nothing is there. Keys, encodings, the default of instance-id and `redact` are those of the datasource VMware
 * (cloudinit.readthedocs.io); `wait-on-network` is not looked at. A value that cannot be read leaves everything as it is, since a machine without
 * its seed would be another instance: exit status 1, and the reason on standard output, never the value.
 */
export function guestinfoProgram(paths: GuestinfoPaths = GUESTINFO_PATHS): string {
  return String.raw`import base64
import json
import os
import re
import subprocess
import sys
import zlib

import yaml

SEED = '${paths.seed}'
UUID = '${paths.uuid}'
# Says that the seed is of this program; goes with the folder.
MARK = '.kib-guestinfo'
NAMES = ('meta-data', 'user-data', 'vendor-data', 'network-config')
KEYS = ('public-keys-data', 'public_keys_data', 'public_keys')


class Unreadable(Exception):
    pass


def say(text):
    sys.stdout.write('kib-guestinfo: %s\n' % text)
    sys.stdout.flush()


def rpctool(words):
    """What the hypervisor answers, or None when it has no such value."""
    try:
        child = subprocess.Popen(['vmware-rpctool', words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise Unreadable('vmware-rpctool cannot be run: %s' % error.strerror)
    out, err = child.communicate()
    if child.returncode == 0:
        return out
    if b'No value found' in out + err:
        return None
    raise Unreadable('vmware-rpctool failed with status %d' % child.returncode)


def value_of(key):
    value = rpctool('info-get guestinfo.' + key)
    # What redaction leaves: there is no way to remove a value from inside.
    return None if value is None or value.strip() in (b'', b'---') else value


def decode(name, value, encoding):
    kind = (encoding or b'').strip().lower()
    if kind not in (b'base64', b'b64', b'gzip+base64', b'gz+b64'):
        if kind not in (b'', b'none'):
            say('%s has an unknown encoding, and is taken as text' % name)
        return value
    packed = b''.join(value.split())
    if len(packed) % 4 != 0 or not re.match(b'^[A-Za-z0-9+/]*={0,2}$', packed):
        raise Unreadable('%s is not base64' % name)
    data = base64.b64decode(packed)
    if kind in (b'base64', b'b64'):
        return data
    try:
        return zlib.decompress(data, 16 + zlib.MAX_WBITS)
    except zlib.error:
        raise Unreadable('%s is not gzip in base64' % name)


def mapping(name, data):
    try:
        text = data.decode('utf-8')
        try:
            value = json.loads(text)
        except ValueError:
            value = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError):
        raise Unreadable('%s is neither JSON nor YAML' % name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable('%s has no keys' % name)
    return value


def to_bytes(text):
    return text if isinstance(text, bytes) else (u'%s' % text).encode('utf-8')


def dump(value):
    return yaml.safe_dump(value, default_flow_style=False, allow_unicode=True, encoding='utf-8')


def network_of(metadata):
    """Takes the network configuration out of metadata, where it is nested, or text that may be encoded."""
    name = 'network of guestinfo.metadata'
    network = metadata.pop('network', None)
    encoding = metadata.pop('network.encoding', None)
    if not network or isinstance(network, dict):
        return network
    return mapping(name, decode(name, to_bytes(network), to_bytes(encoding or b'')))


def product_uuid():
    try:
        with open(UUID) as file:
            return file.read().strip().lower()
    except (IOError, OSError):
        raise Unreadable('guestinfo.metadata has no instance-id, and the machine tells none')


def read():
    """Files of the seed by name, none when guestinfo has nothing; and the keys that are to be cleared."""
    values = {}
    for key in ('metadata', 'userdata', 'vendordata'):
        value = value_of(key)
        if value is not None:
            values[key] = decode('guestinfo.' + key, value, value_of(key + '.encoding'))
    if not values:
        return {}, []
    metadata = mapping('guestinfo.metadata', values.get('metadata', b'{}'))
    network = network_of(metadata)
    if not metadata.get('instance-id'):
        metadata['instance-id'] = product_uuid()
    for key in KEYS:
        if key in metadata:
            metadata.setdefault('public-keys', metadata[key])
    # NoCloud wants both of these.
    files = {'meta-data': dump(metadata), 'user-data': values.get('userdata', b'')}
    if 'vendordata' in values:
        files['vendor-data'] = values['vendordata']
    if network:
        files['network-config'] = dump(network)
    redact = metadata.get('redact', metadata.get('cleanup-guestinfo')) or []
    return files, redact if isinstance(redact, list) else [redact]


def save(name, data):
    path = os.path.join(SEED, name)
    handle = os.open(path + '.new', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, 'wb') as file:
        file.write(data)
    os.rename(path + '.new', path)


def drop(name):
    path = os.path.join(SEED, name)
    if os.path.exists(path):
        os.remove(path)


def write(files):
    """Returns whether the seed is these files now."""
    mark = os.path.join(SEED, MARK)
    if not os.path.exists(mark):
        if any(os.path.exists(os.path.join(SEED, name)) for name in NAMES):
            if files:
                say('%s has a seed from elsewhere, which stays' % SEED)
            return False
        if not files:
            return False
        parent = os.path.dirname(SEED)
        if not os.path.isdir(parent):
            os.makedirs(parent, 0o755)
        if not os.path.isdir(SEED):
            os.mkdir(SEED)
        os.chmod(SEED, 0o700)
        save(MARK, b'')
    for name in NAMES:
        if name in files:
            save(name, files[name])
        else:
            drop(name)
    if files:
        say('wrote %s' % ', '.join(name for name in NAMES if name in files))
        return True
    drop(MARK)
    if not os.listdir(SEED):
        os.rmdir(SEED)
    say('guestinfo has nothing any more, so the seed is gone')
    return True


def main():
    try:
        files, redact = read()
        for key in redact if write(files) else []:
            rpctool('info-set guestinfo.%s ---' % key)
            # An empty value cannot be set.
            rpctool('info-set guestinfo.%s.encoding  ' % key)
    except (Unreadable, IOError, OSError) as error:
        say(error)
        return 1
    return 0


sys.exit(main())
`;
}
