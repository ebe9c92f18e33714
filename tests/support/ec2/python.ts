import { type ChildProcess, spawn } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { errorMessage } from '../../../src/core/index.ts';
import { run } from '../../../src/io/process.ts';
import { SHARED_CACHE } from '../boot-base.ts';

/** Others' opinion of EC2: moto's server and botocore's model, from the Python package index. */
export interface PythonAws {
  readonly bin: string;
}

/** Installs them once, into the cache that tests share; a text that says why when that cannot be. */
export async function pythonAws(): Promise<PythonAws | string> {
  const given = process.env['KIB_TEST_AWS_VENV'];
  const venv = given ?? join(SHARED_CACHE, 'tests', 'aws-venv');
  const { signal } = new AbortController();
  try {
    await access(join(venv, 'bin', 'moto_server'));
    return { bin: join(venv, 'bin') };
  } catch {
    if (given !== undefined) return `${venv} has no moto_server`;
  }
  try {
    await mkdir(join(venv, '..'), { recursive: true });
    await run('python3', ['-m', 'venv', venv], { signal });
    await run(join(venv, 'bin', 'pip'), ['install', '--quiet', 'moto[ec2,server]', 'boto3'], { signal });
    return { bin: join(venv, 'bin') };
  } catch (error) {
    return `moto and botocore cannot be installed: ${errorMessage(error).split('\n')[0]}`;
  }
}

/** botocore's description of a service, as JSON. */
export async function serviceModel({ bin }: PythonAws, service: string): Promise<unknown> {
  const script = `import json, sys, botocore.loaders; json.dump(botocore.loaders.Loader().load_service_model(${JSON.stringify(service)}, 'service-2'), sys.stdout)`;
  const { stdout } = await run(join(bin, 'python'), ['-c', script], { signal: new AbortController().signal });
  return JSON.parse(stdout);
}

export interface MotoServer extends AsyncDisposable {
  readonly endpoint: string;
}

export async function startMoto({ bin }: PythonAws): Promise<MotoServer> {
  const port = await freePort();
  const child: ChildProcess = spawn(join(bin, 'python'), [join(bin, 'moto_server'), '-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const endpoint = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 240; tries++) {
    const isUp = await fetch(`${endpoint}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp || child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return {
    endpoint,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
