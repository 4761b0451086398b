/** A delivery that failed. */
export class DeliveryError extends Error {
  /** Whether the same request may succeed later; otherwise the alert goes to the dead letters. */
  readonly retry: boolean;
  /** Milliseconds that the destination asks us to wait. */
  readonly retryAfter: number | null;
  constructor(
    message: string,
    { retry, retryAfter = null, cause }: { retry: boolean; retryAfter?: number | null; cause?: unknown },
  ) {
    super(message, { cause });
    this.retry = retry;
    this.retryAfter = retryAfter;
  }
}

/** Statuses after which the same request may succeed: time-outs, "too early", "too many", and the server's own troubles. */
export function isRetryable(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/** `Retry-After`: seconds or a date (RFC 9110) → milliseconds from now; null when absent or unreadable. */
export function retryAfterOf(header: string | undefined, now = Date.now()): number | null {
  if (header === undefined) return null;
  if (/^\d+(\.\d+)?$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
