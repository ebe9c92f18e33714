import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { madeOnce } from './releases/once.ts';

const SOURCE = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	version, _ := os.ReadFile("/proc/version")
	fmt.Printf("it runs on %s", version)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
`;

/** A program for containers that have nothing else: it says on which kernel it runs, and waits to be stopped. */
export function staticProgram(): Promise<Buffer> {
  return madeOnce('container-program', async (work) => {
    writeFileSync(join(work, 'main.go'), SOURCE);
    execFileSync('go', ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', 'container-program', 'main.go'], {
      cwd: work,
      env: { ...process.env, CGO_ENABLED: '0', GO111MODULE: 'off', GOFLAGS: '' },
    });
  });
}
