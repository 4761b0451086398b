import { signal } from '@preact/signals';

const shown = signal<{ readonly text: string; readonly undo: (() => void) | null } | null>(null);
let timer = 0;

/** Says something for some seconds; what can be taken back offers it. */
export function say(text: string, undo: (() => void) | null = null): void {
  shown.value = { text, undo };
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    shown.value = null;
  }, 6000);
}

export function Toast() {
  const message = shown.value;
  return (
    <div aria-live="polite">
      {message === null ? null : (
        <div class="toast">
          <span>{message.text}</span>
          {message.undo === null ? null : (
            <button
              type="button"
              onClick={() => {
                message.undo?.();
                shown.value = null;
              }}
            >
              Undo
            </button>
          )}
        </div>
      )}
    </div>
  );
}
