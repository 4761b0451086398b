import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { ANSWER_MS } from './engine.ts';

/** A protobuf message as its fields: by number, in order, undecoded. */
export class Message {
  readonly #fields = new Map<number, (Uint8Array | bigint)[]>();

  constructor(bytes: Uint8Array) {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      let value: Uint8Array | bigint;
      if (type === WireType.LengthDelimited) value = reader.bytes();
      else if (type === WireType.Varint) value = BigInt(reader.int64());
      else {
        reader.skip(type, number);
        continue;
      }
      const values = this.#fields.get(number);
      if (values === undefined) this.#fields.set(number, [value]);
      else values.push(value);
    }
  }

  #bytes(number: number): Uint8Array[] {
    return (this.#fields.get(number) ?? []).filter((value) => typeof value !== 'bigint');
  }

  /** The last value counts, as everywhere in protobuf; empty when the field is not there. */
  text(number: number): string {
    return Buffer.from(this.bytes(number)).toString('utf8');
  }

  bytes(number: number): Uint8Array {
    return this.#bytes(number).at(-1) ?? new Uint8Array();
  }

  /** All values of a repeated field. */
  texts(number: number): string[] {
    return this.#bytes(number).map((bytes) => Buffer.from(bytes).toString('utf8'));
  }

  integer(number: number): bigint {
    const value = this.#fields.get(number)?.at(-1);
    return typeof value === 'bigint' ? value : 0n;
  }

  /** A message in a field; an empty one when it is not there. */
  message(number: number): Message {
    return new Message(this.bytes(number));
  }

  messages(number: number): Message[] {
    return this.#bytes(number).map((bytes) => new Message(bytes));
  }

  /** A `map<string, string>`. */
  map(number: number): Record<string, string> {
    return Object.fromEntries(this.messages(number).map((entry) => [entry.text(1), entry.text(2)]));
  }
}

/** Makes a message of texts, numbers, flags and messages by field number; fields of `undefined` are left out. */
export function encode(fields: Readonly<Record<number, string | number | boolean | Uint8Array | undefined>>): Buffer {
  const writer = new BinaryWriter();
  for (const [number, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    if (typeof value === 'string') writer.tag(Number(number), WireType.LengthDelimited).string(value);
    else if (typeof value === 'number') writer.tag(Number(number), WireType.Varint).int64(value);
    else if (typeof value === 'boolean') writer.tag(Number(number), WireType.Varint).bool(value);
    else writer.tag(Number(number), WireType.LengthDelimited).bytes(value);
  }
  return Buffer.from(writer.finish());
}

/** The code of a call about something that is not there. */
const NOT_FOUND = 5;

export interface GrpcClient {
  /** Calls a method (`/package.Service/Method`); null when what it is about is not found. */
  call(method: string, request: Buffer, metadata?: Readonly<Record<string, string>>): Promise<Message | null>;
  /** Calls a method that answers with a stream; resolves at its end. */
  stream(method: string, request: Buffer, each: (message: Message) => void): Promise<void>;
  close(): void;
}

/** A gRPC client on a unix socket. */
export function grpcClient(socket: string): GrpcClient {
  const client = new Client(`unix://${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
    'grpc.max_receive_message_length': 16 << 20,
  });
  const asIs = (value: Buffer): Buffer => value;
  const decode = (bytes: Buffer): Message => new Message(bytes);
  return {
    call: (method, request, metadata = {}) =>
      new Promise((resolve, reject) => {
        const headers = new Metadata();
        for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
        client.makeUnaryRequest(
          method,
          asIs,
          decode,
          request,
          headers,
          { deadline: Date.now() + ANSWER_MS },
          (error, value) => {
            if (error === null) resolve(value ?? null);
            else if (error.code === NOT_FOUND) resolve(null);
            else reject(error);
          },
        );
      }),
    stream: (method, request, each) =>
      new Promise((resolve, reject) => {
        const call = client.makeServerStreamRequest(method, asIs, decode, request);
        call.on('data', each).once('error', reject).once('end', resolve);
      }),
    close: () => client.close(),
  };
}
