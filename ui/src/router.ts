import { signal } from '@preact/signals';

/** Where the page is: every view is an address. */
export const place = signal(read());

function read(): { readonly path: string; readonly query: URLSearchParams } {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

export function go(url: string, options: { replace?: boolean } = {}): void {
  if (url === location.pathname + location.search) return;
  history[options.replace ? 'replaceState' : 'pushState'](null, '', url);
  place.value = read();
}

/** This page with other query parameters; null and '' remove one. */
export function withQuery(change: Readonly<Record<string, string | null>>, path = place.value.path): string {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(change)) {
    if (value === null || value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return path + (text === '' ? '' : `?${text}`);
}

window.addEventListener('popstate', () => {
  place.value = read();
});

document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element).closest('a');
  if (link === null || link.origin !== location.origin || link.target !== '' || link.hasAttribute('download')) return;
  if (link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
