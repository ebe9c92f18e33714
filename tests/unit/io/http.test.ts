import { describe, expect, it } from 'vitest';
import { HttpClient } from '../../../src/io/http.ts';
import { hurriedClock, startProxy, startServer } from '../../support/http-server.ts';

const signal = new AbortController().signal;
const limits = { signal, maxBytes: 1000 };
const open = (network = {}) => HttpClient.open({ clock: hurriedClock(), network });

describe('HttpClient', () => {
  it('reads bytes as they were sent, even when they claim an encoding', async () => {
    await using server = await startServer((_req, res) => {
      res.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from([0x1f, 0x8b, 8, 1, 2, 3]));
    });
    await using http = await open();
    expect(await http.bytes(`${server.url}/a.tar.gz`, limits)).toEqual(Buffer.from([0x1f, 0x8b, 8, 1, 2, 3]));
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('tries a busy server again and waits as long as it asks', async () => {
    await using server = await startServer((_req, res, count) => {
      if (count === 1) res.writeHead(503, { 'retry-after': '5' }).end();
      else if (count === 2) res.writeHead(429).end();
      else res.end('ok');
    });
    const slept: number[] = [];
    const hurried = hurriedClock();
    const clock = { ...hurried, sleep: (ms: number, s?: AbortSignal) => (slept.push(ms), hurried.sleep(ms, s)) };
    await using http = await HttpClient.open({ clock });
    expect((await http.bytes(server.url, limits)).toString()).toBe('ok');
    const waits = slept.filter((ms) => ms < 20_000);
    expect(waits).toEqual([5000, 2000]);
  });

  it('gives up on a server that stays busy or asks for a long pause', async () => {
    await using server = await startServer((req, res) => {
      res.writeHead(503, req.url === '/long' ? { 'retry-after': '3600' } : {}).end();
    });
    await using http = await open();
    await expect(http.bytes(`${server.url}/busy`, limits)).rejects.toMatchObject({ code: 'KIB_HTTP', details: { status: 503 } });
    expect(server.requests).toHaveLength(5);
    await expect(http.bytes(`${server.url}/long`, limits)).rejects.toMatchObject({
      hint: 'the server asks to come back in 3600 s',
    });
    expect(server.requests).toHaveLength(6);
  });

  it.each([401, 403, 404, 410])('reports %i at once, without login and query', async (status) => {
    await using server = await startServer((_req, res) => void res.writeHead(status).end());
    await using http = await open();
    const url = `${server.url.replace('//', '//me:hunter2@')}/x?token=abc`;
    const error = (await http.bytes(url, limits).catch((e: unknown) => e)) as Error & { hint: string };
    expect(error.message).toContain(`127.0.0.1:${server.port}/x?*** answered ${status}`);
    expect(error.message).not.toMatch(/hunter2|abc/);
    expect(error.hint).toBeTruthy();
    expect(server.requests).toHaveLength(1);
  });

  it('sends the login of the URL to its own server only', async () => {
    await using other = await startServer((_req, res) => void res.end('other'));
    await using server = await startServer((req, res) => {
      res.writeHead(302, { location: req.url === '/same' ? '/end' : `${other.url}/end` }).end();
      if (req.url === '/end') res.end('same');
    });
    await using http = await open();
    await http.bytes(`${server.url.replace('//', '//me:p%40ss@')}/away`, limits);
    expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('follows redirects, relative ones too, and stops in a circle', async () => {
    await using server = await startServer((req, res) => {
      if (req.url === '/a/start') res.writeHead(301, { location: '../b' }).end('moved');
      else if (req.url === '/b') res.end('there');
      else res.writeHead(307, { location: '/round' }).end();
    });
    await using http = await open();
    expect((await http.bytes(`${server.url}/a/start`, limits)).toString()).toBe('there');
    await expect(http.bytes(`${server.url}/round`, limits)).rejects.toThrow('redirected more than 10 times');
  });

  it('refuses a redirect to something that is not HTTP', async () => {
    await using server = await startServer((_req, res) => void res.writeHead(302, { location: 'file:///etc/passwd' }).end());
    await using http = await open();
    await expect(http.bytes(server.url, limits)).rejects.toMatchObject({ code: 'KIB_HTTP' });
    await expect(http.bytes('file:///etc/passwd', limits)).rejects.toThrow('cannot download file:');
  });

  it('refuses more than a small file may have', async () => {
    await using server = await startServer((_req, res) => void res.end('x'.repeat(2000)));
    await using http = await open();
    await expect(http.bytes(server.url, limits)).rejects.toThrow('more than the 1000 bytes');
    expect(server.requests).toHaveLength(1);
  });

  it('gives up on a server that accepts and then says nothing', async () => {
    await using server = await startServer(() => {});
    await using http = await HttpClient.open({ clock: hurriedClock(1000) }, { answerMs: 60_000 });
    await expect(http.bytes(server.url, limits)).rejects.toThrow('got no answer in 60 s');
    expect(server.requests).toHaveLength(5);
  });

  it('fails for a port nobody listens on', async () => {
    const server = await startServer(() => {});
    await server[Symbol.asyncDispose]();
    await using http = await open();
    await expect(http.bytes(server.url, limits)).rejects.toMatchObject({ code: 'KIB_HTTP', details: { code: 'ECONNREFUSED' } });
  });

  it('stops at once when aborted, while waiting and while reading', async () => {
    await using server = await startServer((req, res) => {
      if (req.url === '/body') res.writeHead(200, { 'content-length': 10 }).write('x');
    });
    await using http = await open();
    for (const path of ['/head', '/body']) {
      const abort = new AbortController();
      const reading = http.bytes(`${server.url}${path}`, { maxBytes: 100, signal: abort.signal });
      setTimeout(() => abort.abort(new Error('SIGINT')), 100);
      await expect(reading).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    }
    expect(server.requests).toHaveLength(2);
  });
});

describe('proxies', () => {
  it('asks the proxy for http: URLs without a tunnel, with its login', async () => {
    await using server = await startServer((_req, res) => void res.end('through'));
    await using proxy = await startProxy({ login: 'me:secret' });
    await using http = await open({ httpProxy: `me:secret@127.0.0.1:${proxy.port}` });
    expect((await http.bytes(`${server.url}/f`, limits)).toString()).toBe('through');
    expect(proxy.log).toEqual([`GET ${server.url}/f`]);
  });

  it('says so when the proxy wants a login', async () => {
    await using server = await startServer((_req, res) => void res.end('through'));
    await using proxy = await startProxy({ login: 'me:secret' });
    await using http = await open({ httpProxy: proxy.url, httpsProxy: proxy.url });
    const want = { code: 'KIB_HTTP', hint: expect.stringContaining('proxy wants a login') as string };
    await expect(http.bytes(server.url, limits)).rejects.toMatchObject(want);
    await expect(http.bytes('https://example.invalid/', limits)).rejects.toMatchObject(want);
    expect(proxy.log).toEqual([`GET ${server.url}/`, 'CONNECT example.invalid:443']);
  });

  it('goes around the proxy for the hosts of noProxy', async () => {
    await using server = await startServer((_req, res) => void res.end('direct'));
    await using proxy = await startProxy();
    await using http = await open({ httpProxy: proxy.url, noProxy: 'localhost,127.0.0.1' });
    expect((await http.bytes(server.url, limits)).toString()).toBe('direct');
    expect(proxy.log).toEqual([]);
  });
});
