import { type Sh, sh } from '../../src/core/index.ts';
import type { BootedNode } from './booted-node.ts';

interface SeenContainer {
  /** As the CRI has it, `CONTAINER_RUNNING`. */
  readonly state: string;
  /** What the program said. */
  readonly says: string;
  /** The control group of its process. */
  readonly cgroup: string;
}

/**
 * Runs an image as a pod of its own by the CRI, on the node's network and below test.slice, looks at it until it has said something, and removes it. `handler` is what
 * a RuntimeClass names.
 */
export async function runPod(node: BootedNode, image: string, handler = ''): Promise<SeenContainer> {
  const [state = '', cgroup = '', ...says] = (await node.look(podScript(image, handler))).split('\n');
  return { state, cgroup, says: says.join('\n') };
}

function podScript(image: string, handler: string): Sh {
  // Namespaces as in the CRI's api.proto: the node's network, a PID namespace of the container's own.
  const options = { namespace_options: { network: 2, pid: 1 } };
  const pod = (logs: string) =>
    JSON.stringify({
      metadata: { name: 'pod', namespace: 'test', uid: `${image}-${handler}`.replaceAll(/\W/g, '-'), attempt: 1 },
      log_directory: logs,
      linux: { cgroup_parent: 'test.slice', security_context: options },
    });
  const container = JSON.stringify({
    metadata: { name: 'program' },
    image: { image },
    log_path: 'program.log',
    linux: { security_context: options },
  });
  return sh`
    folder=$(mktemp -d)
    printf '%s' ${pod('LOGS')} | sed "s|LOGS|$folder|" >"$folder/pod.json"
    printf '%s' ${container} >"$folder/container.json"
    pod=$(crictl --timeout 100s runp --runtime ${handler} "$folder/pod.json")
    trap 'crictl --timeout 60s rmp --force "$pod" >/dev/null 2>&1 || :' EXIT
    container=$(crictl --timeout 60s create "$pod" "$folder/container.json" "$folder/pod.json")
    crictl --timeout 60s start "$container" >/dev/null
    for try in $(seq 60); do
      if [ -s "$folder/program.log" ]; then break; fi
      sleep 0.5
    done
    crictl inspect --output go-template --template '{{.status.state}}' "$container"
    cat "/proc/$(crictl inspect --output go-template --template '{{.info.pid}}' "$container")/cgroup"
    crictl logs "$container"
  `;
}
