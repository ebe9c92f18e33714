import { raw, type Sh, sh } from '../../core/index.ts';

/**
 * dnf (version 4, a Python program) gets a sitecustomize module (docs.python.org, module site) that points its repositories at our proxy just
 * before they are loaded. An option would be written to dnf's history, and a changed file would be in the way of packages that own
 * it. Addresses with https: become marked http: ones (see fromProxy), since nobody can keep what goes through CONNECT.
 */
export function dnfWrapper(proxy: { readonly port: number; readonly token: string }): Sh {
  return sh`
    self=\${0%.first.sh}
    mkdir -m 0700 "$self.py"
    cat >"$self.py/sitecustomize.py" <<'__'
    ${raw(python(proxy.port, proxy.token))}
    __
    PYTHONPATH="$self.py" exec /bin/sh -eu "$self.sh"
  `;
}

/** Hosts that only the guest can mean, and addresses with a login, stay with their repository as it is; one with a proxy of its own too. */
const python = (port: number, token: string) =>
  String.raw`
import importlib.util
import os
import re
import sys

os.environ.pop("PYTHONPATH", None)
sys.path.remove(os.path.dirname(__file__))

LOCAL = re.compile(r"https?://([^/]*@|localhost[:/]|127\.|\[)", re.I)


def through(url, mark=""):
    scheme, rest = re.match(r"(https?)://(.*)", url, re.I | re.S).groups()
    host, port, path = re.match(r"([^:/?#]+)(:\d+)?(.*)", rest, re.S).groups()
    mark = scheme.lower() + mark
    return "http://" + host + ("" if mark == "http" else "." + mark + ".invalid") + (port or "") + path


def redirect(repo):
    lists = [name for name in ("mirrorlist", "metalink") if getattr(repo, name)]
    web = lambda urls: [url for url in urls if re.match("https?://", url, re.I)]
    urls = web(list(repo.baseurl) + list(repo.gpgkey) + [getattr(repo, name) for name in lists])
    if repo.proxy or not urls or any(LOCAL.match(url) for url in urls):
        return
    repo.baseurl = [through(url) if web([url]) else url for url in repo.baseurl]
    repo.gpgkey = [through(url) if web([url]) else url for url in repo.gpgkey]
    for name in lists:
        setattr(repo, name, through(getattr(repo, name), "-mirrors"))
    repo.proxy = "http://127.0.0.1:${port}"
    repo.proxy_username = "kib"
    repo.proxy_password = "${token}"
    repo.proxy_auth_method = "basic"
    # It would leave a file named after the changed address.
    repo.countme = False


def patch(module):
    load = module.Repo.load

    def redirected(repo):
        redirect(repo)
        return load(repo)

    module.Repo.load = redirected


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "dnf.repo":
            return None
        sys.meta_path.remove(Finder)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
`.trim();
