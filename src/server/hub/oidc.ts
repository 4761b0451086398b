import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import type { Role } from '../api.ts';
import { Refusal } from './route.ts';

/**
 * OpenID Connect, authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636). The provider's answer is
 * trusted only after the signature, issuer, audience, expiry and nonce of its ID token were checked.
 */
export interface OidcSettings {
  /** The provider; its metadata is at `<issuer>/.well-known/openid-configuration`. */
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for a public client. */
  readonly clientSecret?: string | undefined;
  /** Where users reach the hub: the callback is `<publicUrl>/api/oidc/callback`. */
  readonly publicUrl: string;
  /** What the button says. */
  readonly label: string;
  /** The claim that holds the user's groups or roles. */
  readonly rolesClaim: string;
  /** Value of that claim → role; the best one counts. */
  readonly roles: Readonly<Record<string, Role>>;
  /** For users whom `roles` does not name; null lets them not in. */
  readonly defaultRole: Role | null;
}

interface Metadata {
  readonly issuer: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly jwks_uri: string;
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly azp?: string;
  readonly exp: number;
  readonly iat: number;
  readonly nonce?: string;
  readonly [claim: string]: unknown;
}

export interface Oidc {
  readonly label: string;
  /** Where to send the browser. `state` comes back with it and is bound to the browser by a cookie. */
  start(): Promise<{ url: string; state: string }>;
  /** Checks what came back. */
  finish(state: string, code: string): Promise<{ name: string; subject: string; role: Role }>;
}

/** A login has to be finished in this time, in milliseconds. */
const PATIENCE = 600_000;
/** Clocks may differ by this, in seconds. */
const SKEW = 60;

const HASHES: Readonly<Record<string, { hash: string; type: string }>> = {
  RS256: { hash: 'sha256', type: 'RSA' },
  RS384: { hash: 'sha384', type: 'RSA' },
  RS512: { hash: 'sha512', type: 'RSA' },
  ES256: { hash: 'sha256', type: 'EC' },
  ES384: { hash: 'sha384', type: 'EC' },
};

export function createOidc(settings: OidcSettings, fetcher: typeof fetch = fetch): Oidc {
  const redirectUri = new URL('/api/oidc/callback', settings.publicUrl).href;
  const pending = new Map<string, { verifier: string; nonce: string; until: number }>();
  let metadata: Promise<Metadata> | null = null;

  async function json<T>(url: string, init?: RequestInit): Promise<T> {
    const response = await fetcher(url, { ...init, signal: AbortSignal.timeout(10_000), redirect: 'error' });
    if (!response.ok) throw new Refusal(502, `the identity provider answered ${response.status}`);
    return (await response.json()) as T;
  }

  function discover(): Promise<Metadata> {
    metadata ??= json<Metadata>(`${settings.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`).then(
      (found) => {
        if (found.issuer !== settings.issuer) throw new Refusal(502, 'the identity provider gives another issuer');
        return found;
      },
    );
    metadata.catch(() => {
      metadata = null;
    });
    return metadata;
  }

  async function claimsOf(idToken: string, nonce: string): Promise<Claims> {
    const [head, body, signature] = idToken.split('.');
    if (head === undefined || body === undefined || signature === undefined) throw new Refusal(401, 'no ID token');
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as { alg: string; kid?: string };
    const algorithm = HASHES[header.alg];
    if (algorithm === undefined) throw new Refusal(401, `the ID token is signed with ${header.alg}`);
    const { keys } = await json<{ keys: (JsonWebKey & { kid?: string })[] }>((await discover()).jwks_uri);
    const key = keys.find(
      (one) => one.kty === algorithm.type && one.use !== 'enc' && (header.kid === undefined || one.kid === header.kid),
    );
    if (key === undefined) throw new Refusal(401, 'the ID token is signed with an unknown key');
    const good = verify(
      algorithm.hash,
      Buffer.from(`${head}.${body}`),
      { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    if (!good) throw new Refusal(401, 'the signature of the ID token is wrong');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims;
    const audience = Array.isArray(claims.aud) ? (claims.aud as string[]) : [claims.aud as string];
    const now = Date.now() / 1000;
    if (claims.iss !== settings.issuer) throw new Refusal(401, 'the ID token is of another issuer');
    if (!audience.includes(settings.clientId)) throw new Refusal(401, 'the ID token is for another client');
    if (audience.length > 1 && claims.azp !== settings.clientId)
      throw new Refusal(401, 'the ID token is for another party');
    if (!(claims.exp > now - SKEW)) throw new Refusal(401, 'the ID token has expired');
    if (claims.nonce !== nonce) throw new Refusal(401, 'the ID token answers another login');
    return claims;
  }

  const RANK: Record<Role, number> = { viewer: 0, analyst: 1, admin: 2 };
  function roleOf(claims: Claims): Role {
    const value = claims[settings.rolesClaim];
    const names = Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : [];
    const roles = names.flatMap((name) => (Object.hasOwn(settings.roles, name) ? [settings.roles[name] as Role] : []));
    const best = roles.sort((a, b) => RANK[b] - RANK[a])[0] ?? settings.defaultRole;
    if (best === null) throw new Refusal(403, 'you are known, but have no role here');
    return best;
  }

  return {
    label: settings.label,
    start: async () => {
      const { authorization_endpoint } = await discover();
      const now = Date.now();
      for (const [state, { until }] of pending) if (until < now) pending.delete(state);
      if (pending.size > 1000) throw new Refusal(429, 'too many logins are under way', { 'retry-after': '60' });
      const state = randomBytes(24).toString('base64url');
      const verifier = randomBytes(32).toString('base64url');
      const nonce = randomBytes(24).toString('base64url');
      pending.set(state, { verifier, nonce, until: now + PATIENCE });
      const url = new URL(authorization_endpoint);
      const parameters = {
        response_type: 'code',
        client_id: settings.clientId,
        redirect_uri: redirectUri,
        scope: 'openid profile email',
        state,
        nonce,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      };
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return { url: url.href, state };
    },
    finish: async (state, code) => {
      const login = pending.get(state);
      pending.delete(state);
      if (login === undefined || login.until < Date.now()) throw new Refusal(401, 'the login took too long; try again');
      const form = new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        client_id: settings.clientId,
        code_verifier: login.verifier,
      });
      const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' };
      if (settings.clientSecret !== undefined) {
        const pair = `${encodeURIComponent(settings.clientId)}:${encodeURIComponent(settings.clientSecret)}`;
        headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
      }
      const { token_endpoint } = await discover();
      const tokens = await json<{ id_token?: string }>(token_endpoint, { method: 'POST', headers, body: form });
      const claims = await claimsOf(tokens.id_token ?? '', login.nonce);
      const given = claims.preferred_username ?? claims.email ?? claims.sub;
      return {
        name: String(given)
          .replace(/[^\w.@+-]/g, '_')
          .slice(0, 64),
        subject: `${claims.iss} ${claims.sub}`,
        role: roleOf(claims),
      };
    },
  };
}
