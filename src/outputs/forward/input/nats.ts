import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Globals } from '../config.ts';
import { type Logger, RejectedError } from '../forwarder.ts';
import type { Accept, Input } from './index.ts';

/** When the queue is full: how long a message waits before it comes again, milliseconds. */
const LATER = 1000;

/** A durable consumer of a JetStream stream; several forwarders with one name share its messages. */
export async function startNatsInput(globals: Globals, accept: Accept, logger: Logger): Promise<Input> {
  const stream = globals['input.nats.stream'];
  const durable = globals['input.nats.durable'];
  const connection = await connect({
    servers: globals['input.nats.hostport'].split(',').map((server) => server.trim()),
    maxReconnectAttempts: -1,
    ...(globals['input.nats.token'] !== '' && { token: globals['input.nats.token'] }),
  });
  const manager = await jetstreamManager(connection);
  await manager.consumers.add(stream, { durable_name: durable, ack_policy: AckPolicy.Explicit, max_ack_pending: 1000 });
  const consumer = await jetstream(connection).consumers.get(stream, durable);
  const messages = await consumer.consume({ max_messages: 500 });

  const done = (async () => {
    for await (const message of messages) {
      try {
        await accept(Buffer.from(message.data));
        message.ack();
      } catch (error) {
        if (error instanceof RejectedError) {
          logger.warning(`NATS: message ${message.seq} is no alert: ${error.message}`);
          message.term();
        } else message.nak(LATER);
      }
    }
  })();
  return {
    async stop() {
      await messages.close();
      await done;
      await connection.drain();
    },
  };
}
