import { readFile } from 'node:fs/promises';
import type { Environment } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import { type HttpClient, type HttpResponse, refusal } from '../../forward/http.ts';
import { flag, secret, shared, text, type Values } from '../../forward/option.ts';

/** The options of the section `aws`. */
export const awsOptions = shared({
  region: text('The region; default: AWS_REGION.'),
  accesskeyid: text('The access key; without one: environment, web identity, container or instance role.'),
  secretaccesskey: secret('The secret of the access key.'),
  rolearn: text('A role to assume.'),
  externalid: text('The external id for assuming it.'),
  checkidentity: flag('Ask who we are at start.', true),
  useirsa: flag('Accepted and not needed: a web identity is used when the environment names one.', true),
});
export type AwsOptions = Values<typeof awsOptions>;

export const endpointOption = text('Another endpoint, for services that speak the same API.');

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Milliseconds since the epoch; absent: they stay. */
  readonly expires?: number | undefined;
}

export interface AwsRequest {
  readonly method?: 'POST' | 'PUT' | 'GET';
  readonly service: string;
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly body: string | Buffer;
}

export interface AwsClient {
  readonly region: string;
  /** A signed request and its 2xx answer. @throws DeliveryError */
  send(request: AwsRequest): Promise<HttpResponse>;
  /** A call of a service with the JSON protocol. @throws DeliveryError named after AWS's error code */
  json<T>(service: string, url: string, target: string, body: unknown, version?: '1.0' | '1.1'): Promise<T>;
  /** STS GetCallerIdentity: whether the credentials are good. */
  identify(): Promise<void>;
}

/** A signing client (Signature Version 4). */
export function awsClient(options: AwsOptions, environment: Environment): AwsClient {
  const region = options.region || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || 'us-east-1';
  let held: Promise<Credentials> | null = null;

  async function credentials(): Promise<Credentials> {
    held ??= resolve(options, region, environment.http).catch((error: Error) => {
      held = null;
      throw new DeliveryError(`no AWS credentials: ${error.message}`, { retry: true, cause: error });
    });
    const found = await held;
    if (found.expires !== undefined && found.expires - environment.now() < 300_000) {
      held = null;
      return credentials();
    }
    return found;
  }

  async function send(request: AwsRequest): Promise<HttpResponse> {
    const signed = await sign(request, await credentials(), region);
    const response = await environment.http.exchange(signed);
    if (response.status < 300) return response;
    throw failure(response);
  }

  return {
    region,
    send,
    async json(service, url, target, body, version = '1.1') {
      const { body: answer } = await send({
        service,
        url,
        headers: { 'X-Amz-Target': target, 'Content-Type': `application/x-amz-json-${version}` },
        body: JSON.stringify(body),
      });
      return JSON.parse(answer || '{}');
    },
    async identify() {
      const url =
        process.env.AWS_ENDPOINT_URL_STS || process.env.AWS_ENDPOINT_URL || `https://sts.${region}.amazonaws.com/`;
      await send({
        service: 'sts',
        url,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: 'Action=GetCallerIdentity&Version=2011-06-15',
      });
    },
  };
}

async function sign(request: AwsRequest, keys: Credentials, region: string) {
  const { AwsV4Signer } = await import('aws4fetch');
  const signer = new AwsV4Signer({
    method: request.method ?? 'POST',
    url: request.url,
    headers: request.headers ?? {},
    body: typeof request.body === 'string' ? request.body : new Uint8Array(request.body),
    accessKeyId: keys.accessKeyId,
    secretAccessKey: keys.secretAccessKey,
    ...(keys.sessionToken !== undefined && { sessionToken: keys.sessionToken }),
    service: request.service,
    region,
    allHeaders: true,
  });
  const { method, url, headers } = await signer.sign();
  return { method: method as 'POST', url: url.toString(), headers: Object.fromEntries(headers), body: request.body };
}

/** AWS's error codes that mean "later", whatever the status. */
const LATER =
  /Throttl|TooManyRequests|ProvisionedThroughputExceeded|RequestLimitExceeded|SlowDown|InternalFailure|ServiceUnavailable|RequestExpired|ExpiredToken/;

function failure(response: HttpResponse): DeliveryError {
  const error = refusal(response);
  return LATER.test(response.body) && !error.retry ? new DeliveryError(error.message, { retry: true }) : error;
}

/** The usual chain: configuration, environment, web identity, container, instance; then the role to assume. */
async function resolve(options: AwsOptions, region: string, http: HttpClient): Promise<Credentials> {
  const base = await resolveBase(options, region, http);
  if (options.rolearn === '') return base;
  const query = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: options.rolearn,
    RoleSessionName: 'windhover',
    ...(options.externalid !== '' && { ExternalId: options.externalid }),
  });
  const url = process.env.AWS_ENDPOINT_URL_STS || `https://sts.${region}.amazonaws.com/`;
  const signed = await sign(
    { service: 'sts', url, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: query.toString() },
    base,
    region,
  );
  return fromXml((await http.send(signed)).body);
}

async function resolveBase(options: AwsOptions, region: string, http: HttpClient): Promise<Credentials> {
  const env = process.env;
  if (options.accesskeyid !== '') return { accessKeyId: options.accesskeyid, secretAccessKey: options.secretaccesskey };
  if (env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY) {
    return {
      accessKeyId: env.AWS_ACCESS_KEY_ID,
      secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
      sessionToken: env.AWS_SESSION_TOKEN,
    };
  }
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE && env.AWS_ROLE_ARN) {
    const query = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: env.AWS_ROLE_ARN,
      RoleSessionName: env.AWS_ROLE_SESSION_NAME || 'windhover',
      WebIdentityToken: (await readFile(env.AWS_WEB_IDENTITY_TOKEN_FILE, 'utf8')).trim(),
    });
    const url = env.AWS_ENDPOINT_URL_STS || `https://sts.${region}.amazonaws.com/`;
    return fromXml(
      (
        await http.send({
          url,
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: query.toString(),
        })
      ).body,
    );
  }
  const container =
    env.AWS_CONTAINER_CREDENTIALS_FULL_URI ||
    (env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI && `http://169.254.170.2${env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI}`);
  if (container) {
    const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
    const token = file ? (await readFile(file, 'utf8')).trim() : env.AWS_CONTAINER_AUTHORIZATION_TOKEN;
    const { body } = await http.send({ method: 'GET', url: container, headers: token ? { Authorization: token } : {} });
    return fromJson(body);
  }
  // Instance metadata, version 2.
  const metadata = 'http://169.254.169.254/latest';
  const { body: token } = await http.send({
    method: 'PUT',
    url: `${metadata}/api/token`,
    headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '21600' },
  });
  const headers = { 'X-aws-ec2-metadata-token': token };
  const roles = `${metadata}/meta-data/iam/security-credentials/`;
  const { body: role } = await http.send({ method: 'GET', url: roles, headers });
  return fromJson((await http.send({ method: 'GET', url: `${roles}${role.trim()}`, headers })).body);
}

function fromJson(text: string): Credentials {
  const found = JSON.parse(text) as {
    AccessKeyId: string;
    SecretAccessKey: string;
    Token?: string;
    Expiration?: string;
  };
  return {
    accessKeyId: found.AccessKeyId,
    secretAccessKey: found.SecretAccessKey,
    sessionToken: found.Token,
    expires: found.Expiration === undefined ? undefined : Date.parse(found.Expiration),
  };
}

function fromXml(text: string): Credentials {
  const value = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1] ?? '';
  return {
    accessKeyId: value('AccessKeyId'),
    secretAccessKey: value('SecretAccessKey'),
    sessionToken: value('SessionToken'),
    expires: Date.parse(value('Expiration')) || undefined,
  };
}
