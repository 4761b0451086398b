import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Environment } from '../forward/destination.ts';
import { createHttpClient } from '../forward/http.ts';
import { awsClient } from './aws/client.ts';
import { putObject } from './aws/s3.ts';
import { gcpClient } from './gcp/client.ts';

/** Where a file may be put: the four targets of Talon's `output`. */
export const STORES = ['local:file', 'aws:s3', 'minio:s3', 'gcp:gcs'] as const;
export type StoreName = (typeof STORES)[number];

export interface StoreSettings {
  readonly accesskeyid?: string;
  readonly secretaccesskey?: string;
  readonly rolearn?: string;
  readonly externalid?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: string;
}

/**
 * Puts a file into a folder or a bucket. @param parameters `destination`, or `bucket` with `prefix` and `region`
 * @returns where it is now
 */
export async function storeFile(
  store: StoreName,
  parameters: Readonly<Record<string, string>>,
  settings: StoreSettings,
  name: string,
  content: Buffer,
): Promise<string> {
  const safe = basename(name).replace(/[^\w.-]/g, '_');
  if (store === 'local:file') {
    const path = join(parameters.destination ?? '/tmp', safe);
    await writeFile(path, content, { flag: 'wx', mode: 0o600 });
    return path;
  }
  const environment: Environment = {
    http: createHttpClient({ checkCertificate: true, connections: 1, timeout: 60_000 }),
    tls: { checkCertificate: true },
    timeout: 60_000,
    customfields: [],
    templatedfields: [],
    outputs: [],
    now: Date.now,
  };
  const key = [parameters.prefix?.replace(/^\/+|\/+$/g, ''), safe]
    .filter((part) => part !== undefined && part !== '')
    .join('/');
  const bucket = parameters.bucket ?? '';
  try {
    if (store === 'gcp:gcs') {
      const send = gcpClient({ credentials: settings.credentials ?? '', workloadidentity: '' }, environment);
      const query = new URLSearchParams({ uploadType: 'media', name: key });
      const base = settings.endpoint ?? 'https://storage.googleapis.com';
      await send({
        url: `${base}/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?${query}`,
        headers: { 'Content-Type': 'application/octet-stream' },
        body: content,
      });
      return `gs://${bucket}/${key}`;
    }
    const options = {
      region: parameters.region ?? settings.region ?? '',
      accesskeyid: settings.accesskeyid ?? '',
      secretaccesskey: settings.secretaccesskey ?? '',
      rolearn: settings.rolearn ?? '',
      externalid: settings.externalid ?? '',
      checkidentity: false,
      useirsa: true,
    };
    await putObject(
      awsClient(options, environment),
      { bucket, endpoint: settings.endpoint ?? '' },
      key,
      'application/octet-stream',
      content,
    );
    return `s3://${bucket}/${key}`;
  } finally {
    environment.http.close();
  }
}
