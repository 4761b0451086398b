import { signal } from '@preact/signals';

/** Rises, at most every three seconds, when new alerts were stored: lists that look at "until now" load again. */
export const arrivals = signal(0);

let waiting = 0;

/** Listens for new alerts as long as the page is open. */
export function listen(): () => void {
  const source = new EventSource('/api/live');
  source.addEventListener('alerts', () => {
    if (waiting !== 0) return;
    waiting = window.setTimeout(() => {
      waiting = 0;
      if (document.visibilityState === 'visible') arrivals.value++;
    }, 3000);
  });
  return () => source.close();
}
