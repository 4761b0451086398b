import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Context } from 'hono';

/** Where `npm run build:ui` puts the UI. */
export const UI_DIRECTORY = fileURLToPath(new URL('../../../ui/dist', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
};

/** Headers of every answer: nothing from elsewhere, nothing inline, in nobody's frame. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
};

function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    // The rule editor adds a sheet of styles at run time; the nonce is its permission.
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}

interface Asset {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly packed: Uint8Array<ArrayBuffer>;
}

/** Serves the built UI from memory; any other path is the page itself, which knows its own paths. */
export function createPages(directory: string): (context: Context) => Response {
  const assets = new Map<string, Asset>();
  let index: string | null = null;
  if (existsSync(join(directory, 'index.html'))) {
    index = readFileSync(join(directory, 'index.html'), 'utf8');
    for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
      const type = TYPES[extname(name)];
      if (type === undefined || name === 'index.html') continue;
      const plain = Uint8Array.from(readFileSync(join(directory, name)));
      assets.set(`/${name}`, { type, plain, packed: Uint8Array.from(gzipSync(plain)) });
    }
  }
  return (context) => {
    const asset = assets.get(context.req.path);
    if (asset !== undefined) {
      const gzip = /\bgzip\b/.test(context.req.header('accept-encoding') ?? '');
      return context.body(gzip ? asset.packed : asset.plain, 200, {
        'content-type': asset.type,
        // Names of built files hold a hash of their content.
        'cache-control': context.req.path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        ...(gzip ? { 'content-encoding': 'gzip' } : {}),
        vary: 'accept-encoding',
      });
    }
    if (extname(context.req.path) !== '' && !context.req.path.startsWith('/rules/'))
      return context.text('not found', 404);
    if (index === null) {
      return context.text(
        'The user interface has not been built. Run: npm run build:ui\nThe API works without it.\n',
        503,
      );
    }
    const nonce = randomBytes(16).toString('base64');
    return context.body(index.replaceAll('%NONCE%', nonce), 200, {
      'content-type': TYPES['.html'] as string,
      'cache-control': 'no-store',
      'content-security-policy': pagePolicy(nonce),
    });
  };
}
