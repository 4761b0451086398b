/** The few calls of the Container Runtime Interface by which the kubelet starts pods, for tests without a kubelet. */
import { encode, type GrpcClient, grpcClient, type Message } from '../../src/runtime/grpc.ts';

/** Methods and field numbers: k8s.io/cri-api, runtime/v1/api.proto. */
const SERVICE = '/runtime.v1.RuntimeService/';

export interface PodSpec {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly cgroupParent: string;
}

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
}

export interface Cri {
  /** Id of the sandbox. */
  startPod(pod: PodSpec): Promise<string>;
  /** Id of the container. */
  startContainer(sandbox: string, pod: PodSpec, container: ContainerSpec): Promise<string>;
  removePod(sandbox: string): Promise<void>;
  close(): void;
}

export function criClient(socket: string): Cri {
  const client: GrpcClient = grpcClient(socket);
  const call = async (method: string, request: Buffer): Promise<Message> => {
    for (;;) {
      try {
        const answer = await client.call(`${SERVICE}${method}`, request);
        if (answer === null) throw new Error(`${method}: not found`);
        return answer;
      } catch (error) {
        // A runtime that has just been started takes connections before it takes requests.
        if (!(error as Error).message.includes('not initialized yet')) throw error;
        await new Promise((done) => setTimeout(done, 50));
      }
    }
  };
  return {
    async startPod(pod) {
      return (await call('RunPodSandbox', encode({ 1: sandboxConfig(pod) }))).text(1);
    },
    async startContainer(sandbox, pod, { name, image, command }) {
      const labels = { ...ownLabels(pod), 'io.kubernetes.container.name': name };
      const config = Buffer.concat([
        encode({ 1: encode({ 1: name }), 2: encode({ 1: image }) }),
        ...command.map((part) => encode({ 3: part })),
        mapField(9, labels),
        encode({ 15: encode({}) }),
      ]);
      const request = encode({ 1: sandbox, 2: config, 3: sandboxConfig(pod) });
      const id = (await call('CreateContainer', request)).text(1);
      await call('StartContainer', encode({ 1: id }));
      return id;
    },
    async removePod(sandbox) {
      await call('StopPodSandbox', encode({ 1: sandbox }));
      await call('RemovePodSandbox', encode({ 1: sandbox }));
    },
    close: () => client.close(),
  };
}

function ownLabels({ name, namespace, uid }: PodSpec): Record<string, string> {
  return {
    'io.kubernetes.pod.name': name,
    'io.kubernetes.pod.namespace': namespace,
    'io.kubernetes.pod.uid': uid,
  };
}

function sandboxConfig(pod: PodSpec): Buffer {
  const metadata = encode({ 1: pod.name, 2: pod.uid, 3: pod.namespace });
  const linux = encode({ 1: pod.cgroupParent });
  return Buffer.concat([
    encode({ 1: metadata, 2: pod.name }),
    mapField(6, { ...ownLabels(pod), ...pod.labels }),
    encode({ 8: linux }),
  ]);
}

function mapField(number: number, entries: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(entries).map(([key, value]) => encode({ [number]: encode({ 1: key, 2: value }) })),
  );
}
