import { Consumer } from '@platformatic/kafka';
import type { Globals } from '../config.ts';
import { type Logger, RejectedError } from '../forwarder.ts';
import type { Accept, Input } from './index.ts';

/** Messages after which the place is committed; what came after it comes again when we stop hard. */
const COMMIT = 100;
const LATER = 1000;

/** A member of a consumer group. */
export async function startKafkaInput(globals: Globals, accept: Accept, logger: Logger): Promise<Input> {
  const consumer = new Consumer({
    groupId: globals['input.kafka.group'],
    clientId: 'windhover',
    bootstrapBrokers: [...globals['input.kafka.hostport']],
  });
  const stream = await consumer.consume({
    topics: [globals['input.kafka.topic']],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: false,
  });
  let stopping = false;

  /** Stores one; while the queue is full it waits, and with it the partition. */
  async function store(body: Buffer, offset: bigint): Promise<void> {
    while (!stopping) {
      try {
        return await accept(body);
      } catch (error) {
        if (error instanceof RejectedError) {
          logger.warning(`Kafka: message ${offset} is no alert: ${error.message}`);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, LATER));
      }
    }
  }

  const done = (async () => {
    let since = 0;
    for await (const message of stream) {
      await store(message.value as Buffer, message.offset);
      if (stopping) return;
      // The last one that is here already, or a hundred of them.
      if (++since >= COMMIT || stream.readableLength === 0) {
        await message.commit();
        since = 0;
      }
    }
  })().catch((error: Error) => {
    if (!stopping) logger.error(`Kafka: ${error.message}`);
  });
  return {
    async stop() {
      stopping = true;
      await stream.close();
      await done;
      await consumer.close(true);
    },
  };
}
