import { readFile } from 'node:fs/promises';
import type { Environment } from '../../forward/destination.ts';

/**
 * A token of Microsoft Entra: a client secret or a federated token of the environment, else the machine's identity.
 * @param resource what it is for, as a URL
 */
export async function entraToken(
  resource: string,
  { http, now }: Environment,
): Promise<{ value: string; until: number }> {
  const env = process.env;
  const authority = (env.AZURE_AUTHORITY_HOST || 'https://login.microsoftonline.com').replace(/\/+$/, '');
  const form = new URLSearchParams({
    client_id: env.AZURE_CLIENT_ID ?? '',
    scope: `${resource}/.default`,
    grant_type: 'client_credentials',
  });
  let answer: string;
  if (env.AZURE_CLIENT_SECRET || env.AZURE_FEDERATED_TOKEN_FILE) {
    if (env.AZURE_CLIENT_SECRET) form.set('client_secret', env.AZURE_CLIENT_SECRET);
    else {
      form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      form.set('client_assertion', (await readFile(env.AZURE_FEDERATED_TOKEN_FILE as string, 'utf8')).trim());
    }
    const url = `${authority}/${env.AZURE_TENANT_ID}/oauth2/v2.0/token`;
    answer = (
      await http.send({ url, headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: form.toString() })
    ).body;
  } else {
    const query = new URLSearchParams({
      'api-version': '2018-02-01',
      resource,
      ...(env.AZURE_CLIENT_ID && { client_id: env.AZURE_CLIENT_ID }),
    });
    answer = (
      await http.send({
        method: 'GET',
        url: `http://169.254.169.254/metadata/identity/oauth2/token?${query}`,
        headers: { Metadata: 'true' },
      })
    ).body;
  }
  const { access_token, expires_in } = JSON.parse(answer) as { access_token: string; expires_in: number | string };
  return { value: `Bearer ${access_token}`, until: now() + (Number(expires_in) - 120) * 1000 };
}
