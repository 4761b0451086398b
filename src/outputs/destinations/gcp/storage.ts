import { destination, join } from '../../forward/destination.ts';
import { text } from '../../forward/option.ts';
import { objectBatch, objectOptions, toObjectFile } from '../aws/s3.ts';
import { gcpClient, gcpOptions } from './client.ts';

export const gcpStorage = destination({
  name: 'gcp.storage',
  label: 'gcpstorage',
  group: 'object storage',
  doc: 'Objects in Google Cloud Storage.',
  options: {
    ...gcpOptions,
    ...objectOptions,
    endpoint: text('Another endpoint; `STORAGE_EMULATOR_HOST` is honoured.', 'https://storage.googleapis.com'),
  },
  enabled: (o) => o.bucket !== '',
  batch: objectBatch,
  open(o, environment) {
    const emulator = process.env.STORAGE_EMULATOR_HOST;
    const send = emulator === undefined ? gcpClient(o, environment) : environment.http.send;
    const base = emulator === undefined ? o.endpoint : emulator.includes('://') ? emulator : `http://${emulator}`;
    return {
      async send(alerts) {
        const { name, type, body } = await toObjectFile(alerts, o);
        const query = new URLSearchParams({ uploadType: 'media', name });
        await send({
          url: join(base, `/upload/storage/v1/b/${encodeURIComponent(o.bucket)}/o?${query}`),
          headers: { 'Content-Type': type },
          body,
        });
      },
    };
  },
});
