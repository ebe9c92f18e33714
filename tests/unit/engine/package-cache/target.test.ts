import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isImmutable, namedDigest } from '../../../../src/engine/package-cache/content-kind.ts';
import { MirrorGroups, mirrorsOf, rewriteMirrors } from '../../../../src/engine/package-cache/mirror-list.ts';
import { forProxy, fromPath, fromProxy } from '../../../../src/engine/package-cache/target.ts';

const TOKEN = '0123456789abcdef0123456789abcdef';

/** Addresses of repositories, in the form URL gives them. */
const urls = fc
  .record({
    scheme: fc.constantFrom('http', 'https'),
    host: fc.domain(),
    port: fc.option(fc.integer({ min: 1024, max: 65_535 }), { nil: undefined }),
    path: fc.webPath(),
    query: fc.option(fc.webQueryParameters(), { nil: undefined }),
  })
  .map(({ scheme, host, port, path, query }) => {
    const authority = `${host}${port === undefined ? '' : `:${port}`}`;
    return new URL(`${scheme}://${authority}/${path.replace(/^\//, '')}${query === undefined ? '' : `?${query}`}`).href;
  });

describe('addresses', () => {
  it('survive the way through apt', () => {
    fc.assert(
      fc.property(urls, (url) => {
        expect(fromPath(`/${TOKEN}/${url.replace('://', '/')}`, TOKEN)).toEqual({ url, isMirrorList: false });
      }),
    );
  });

  it('survive the way through a proxy', () => {
    fc.assert(
      fc.property(urls, (url) => {
        const asked = forProxy(url);
        expect(asked).toMatch(/^http:/);
        expect(fromProxy(asked)).toEqual({ url, isMirrorList: false });
      }),
    );
  });

  it('of mirror lists say so', () => {
    for (const scheme of ['http', 'https']) {
      expect(fromProxy(`http://m.example.org.${scheme}-mirrors.invalid:8080/l?arch=x`)).toEqual({
        url: `${scheme}://m.example.org:8080/l?arch=x`,
        isMirrorList: true,
      });
    }
  });

  it('that are none, or of another token, are refused', () => {
    const paths = ['', '/', `/${TOKEN}`, `/${TOKEN}/`, `/${TOKEN}/ftp/h/x`, `/${TOKEN}/http/`, `/${TOKEN}/http/h`, '/x/http/h/x'];
    for (const path of paths) expect(fromPath(path, TOKEN)).toBeUndefined();
    for (const asked of [
      '/x',
      'https://h/x',
      'http://h',
      'http://me@h/x',
      'h:443',
      'http://localhost/x',
      'http://127.1.https.invalid/x',
    ])
      expect(fromProxy(asked)).toBeUndefined();
  });

  it('never throw', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const all = [`/${TOKEN}/${text}`, text, `http://${text}/`];
        expect(() => all.map((asked) => [fromPath(asked, TOKEN), fromProxy(asked)])).not.toThrow();
      }),
    );
  });
});

describe('what never changes', () => {
  it('is known by its name', () => {
    const hex = 'ab'.repeat(32);
    const fixed = [
      'pool/a_1_amd64.deb',
      'a.udeb',
      'Packages/a-1.rpm',
      `dists/s/by-hash/SHA256/${hex}`,
      `repodata/${hex}-primary.xml.gz`,
      `repodata/${hex}${hex}-filelists.xml.zst`,
    ];
    const changing = [
      'dists/s/InRelease',
      'repodata/repomd.xml',
      'dists/s/by-hash/MD5Sum/ab',
      'Packages.xz',
      'a.rpm.asc',
      'mirrorlist?x=a.rpm',
    ];
    expect(fixed.filter((path) => !isImmutable(`https://h/${path}`))).toEqual([]);
    expect(changing.filter((path) => isImmutable(`https://h/${path}`))).toEqual([]);
    expect(namedDigest(`https://h/repodata/${hex}-primary.xml.gz`)).toEqual({ algorithm: 'sha256', hex });
    expect(namedDigest(`https://h/d/by-hash/SHA512/${hex}${hex}`)).toEqual({ algorithm: 'sha512', hex: `${hex}${hex}` });
  });
});

describe('mirror lists', () => {
  const list = '# country = DE\nhttps://a.example.org/r/\nhttp://b.example.org/r/\nhttps://c.example.org:8443/r/\n';

  it('lead through the proxy, the known mirror first', () => {
    expect(mirrorsOf(list)).toEqual(['https://a.example.org/r/', 'http://b.example.org/r/', 'https://c.example.org:8443/r/']);
    expect(rewriteMirrors(list, 'https://c.example.org:8443/r/').split('\n')).toEqual([
      'http://c.example.org.https.invalid:8443/r/',
      '# country = DE',
      'http://a.example.org.https.invalid/r/',
      'http://b.example.org/r/',
      '',
    ]);
  });

  it('as metalinks keep everything else', () => {
    const metalink = [
      '<metalink version="3.0"><files><file name="repomd.xml"><hash type="sha256">aa</hash><resources maxconnections="1">',
      '<url protocol="https" type="https" location="DE" preference="100">https://a.example.org/repodata/repomd.xml</url>',
      '<url protocol="rsync" type="rsync" location="DE" preference="99">rsync://a.example.org/repodata/repomd.xml</url>',
      '<url protocol="http" type="http" location="DE" preference="98">http://b.example.org/repodata/repomd.xml</url>',
      '</resources></file></files></metalink>',
    ];
    const got = rewriteMirrors(metalink.join('\n'), 'http://b.example.org/repodata/repomd.xml').split('\n');
    expect(got).toEqual([
      metalink[0],
      '<url protocol="https" type="https" location="DE" preference="50">http://a.example.org.https.invalid/repodata/repomd.xml</url>',
      metalink[2],
      '<url protocol="http" type="http" location="DE" preference="100">http://b.example.org/repodata/repomd.xml</url>',
      metalink[4],
    ]);
  });

  it('make one file of what lies on several mirrors', () => {
    const groups = new MirrorGroups();
    groups.add(['https://a.example.org/r/', 'http://b.example.org/x/y'], 'https://a.example.org/r/');
    groups.add(
      ['http://m.example.org/e/repodata/repomd.xml', 'http://n.example.org/repodata/repomd.xml'],
      'http://n.example.org/repodata/repomd.xml',
    );
    expect(groups.keyOf('http://b.example.org/x/y/Packages/p-1.rpm')).toBe('https://a.example.org/r/Packages/p-1.rpm');
    expect(groups.keyOf('http://m.example.org/e/p-1.rpm')).toBe('http://n.example.org/p-1.rpm');
    for (const url of [
      'http://b.example.org/x/p-1.rpm',
      'http://b.example.org/x/y/repodata/repomd.xml',
      'http://c.example.org/p-1.rpm',
    ]) {
      expect(groups.keyOf(url)).toBe(url);
    }
  });
});
