import { createSign } from 'node:crypto';
import type { Environment } from '../../forward/destination.ts';
import { DeliveryError } from '../../forward/error.ts';
import type { HttpRequest, HttpResponse } from '../../forward/http.ts';
import { secret, shared, text, type Values } from '../../forward/option.ts';

/** The options of the section `gcp`. */
export const gcpOptions = shared({
  credentials: secret("A service account's key file, in base64; without: the metadata server."),
  workloadidentity: text('Accepted and not needed: without credentials the metadata server is asked.'),
});
export type GcpOptions = Values<typeof gcpOptions>;

interface ServiceAccount {
  readonly type: string;
  readonly client_email: string;
  readonly private_key: string;
  readonly token_uri?: string;
  readonly client_id?: string;
  readonly client_secret?: string;
  readonly refresh_token?: string;
}

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const METADATA = process.env.GCE_METADATA_HOST || 'metadata.google.internal';

/** An access token, which is got when needed and kept until shortly before its end. */
export function gcpTokens(options: GcpOptions, { http, now }: Environment) {
  let token: { readonly value: string; readonly until: number } | null = null;
  return {
    async get(): Promise<string> {
      if (token !== null && token.until > now()) return token.value;
      const response = await http.send(tokenRequest(options.credentials, Math.floor(now() / 1000)));
      const { access_token, expires_in } = JSON.parse(response.body) as { access_token: string; expires_in: number };
      token = { value: access_token, until: now() + (expires_in - 120) * 1000 };
      return access_token;
    },
    /** The token was refused: it may have been withdrawn before its end. */
    forget() {
      token = null;
    },
  };
}

/** HTTP requests with an access token. */
export function gcpClient(
  options: GcpOptions,
  environment: Environment,
): (request: HttpRequest) => Promise<HttpResponse> {
  const tokens = gcpTokens(options, environment);
  return async (request) => {
    try {
      return await environment.http.send({
        ...request,
        headers: { ...request.headers, Authorization: `Bearer ${await tokens.get()}` },
      });
    } catch (error) {
      if ((error as Error).message.startsWith('HTTP 401')) tokens.forget();
      throw error;
    }
  };
}

/** OAuth 2.0: a signed assertion of a service account, a user's refresh token, or the metadata server. */
function tokenRequest(credentials: string, now: number): HttpRequest {
  if (credentials === '') {
    return {
      method: 'GET',
      url: `http://${METADATA}/computeMetadata/v1/instance/service-accounts/default/token`,
      headers: { 'Metadata-Flavor': 'Google' },
    };
  }
  const text = credentials.trimStart().startsWith('{')
    ? credentials
    : Buffer.from(credentials, 'base64').toString('utf8');
  let account: ServiceAccount;
  try {
    account = JSON.parse(text) as ServiceAccount;
  } catch (error) {
    throw new DeliveryError('gcp.credentials is not a key file in base64', { retry: false, cause: error });
  }
  const url = account.token_uri ?? 'https://oauth2.googleapis.com/token';
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  if (account.type === 'authorized_user') {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: account.client_id ?? '',
      client_secret: account.client_secret ?? '',
      refresh_token: account.refresh_token ?? '',
    });
    return { url, headers, body: body.toString() };
  }
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: account.client_email, scope: SCOPE, aud: url, iat: now, exp: now + 3600 };
  const unsigned = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
  const signature = createSign('RSA-SHA256').update(unsigned).sign(account.private_key, 'base64url');
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: `${unsigned}.${signature}`,
  });
  return { url, headers, body: body.toString() };
}
