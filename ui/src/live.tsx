import { useSignal } from '@preact/signals';
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import { useEffect, useRef } from 'preact/hooks';
import type { AlertRow } from '../../src/server/api.ts';
import { queryString } from './client.ts';
import { currentFilter, FilterBar } from './filter.tsx';
import { number } from './format.ts';
import { AlertLine, parseLive } from './inbox.tsx';
import { Empty, Icon, useKeys } from './parts.tsx';

/** More lines than this fall off at the end. */
const KEPT = 100_000;
const LINE = 28;

/** Lines by number, only those drawn that can be seen. */
function useVirtual(count: number, box: { current: HTMLElement | null }) {
  const redraw = useSignal(0);
  const virtualizer = useRef<Virtualizer<HTMLElement, Element> | null>(null);
  virtualizer.current ??= new Virtualizer<HTMLElement, Element>({
    count: 0,
    getScrollElement: () => null,
    estimateSize: () => LINE,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
  });
  const made = virtualizer.current;
  made.setOptions({
    ...made.options,
    count,
    overscan: 12,
    getScrollElement: () => box.current,
    onChange: () => {
      redraw.value++;
    },
  });
  useEffect(() => made._didMount(), [made]);
  useEffect(() => made._willUpdate());
  redraw.value;
  return made;
}

export function Live() {
  const { q } = currentFilter();
  const rows = useRef<AlertRow[]>([]);
  const held = useRef<AlertRow[]>([]);
  const drawn = useSignal(0);
  const waiting = useSignal(0);
  const paused = useSignal(false);
  const state = useSignal<'connecting' | 'live' | 'lost'>('connecting');
  const rate = useSignal(0);
  const total = useSignal(0);
  const dropped = useSignal(0);
  const box = useRef<HTMLElement>(null);
  const recent = useRef<number[]>([]);

  const show = (added: AlertRow[]) => {
    // The newest stands on top; who has scrolled down keeps the line that is under the eye.
    const element = box.current;
    const scrolled = element !== null && element.scrollTop > 4;
    rows.current = [...added.toReversed(), ...rows.current].slice(0, KEPT);
    drawn.value++;
    if (scrolled) requestAnimationFrame(() => element.scrollBy(0, added.length * LINE));
  };

  useEffect(() => {
    rows.current = [];
    held.current = [];
    waiting.value = 0;
    const source = new EventSource(`/api/live${queryString({ q })}`);
    source.addEventListener('ready', () => {
      state.value = 'live';
    });
    source.addEventListener('error', () => {
      state.value = 'lost';
    });
    source.addEventListener('alerts', (event) => {
      const { alerts, dropped: lost } = parseLive((event as MessageEvent<string>).data);
      total.value += alerts.length;
      dropped.value += lost;
      recent.current.push(alerts.length + lost);
      if (paused.value) {
        held.current.push(...alerts);
        if (held.current.length > KEPT) held.current.splice(0, held.current.length - KEPT);
        waiting.value = held.current.length;
      } else show(alerts);
    });
    const seconds: number[] = [];
    const timer = setInterval(() => {
      seconds.push(recent.current.reduce((a, b) => a + b, 0));
      recent.current = [];
      if (seconds.length > 10) seconds.shift();
      rate.value = seconds.reduce((a, b) => a + b, 0) / seconds.length;
    }, 1000);
    return () => {
      source.close();
      clearInterval(timer);
    };
  }, [q]);

  const toggle = () => {
    paused.value = !paused.value;
    if (!paused.value) {
      show(held.current);
      held.current = [];
      waiting.value = 0;
    }
  };
  useKeys({ ' ': toggle, p: toggle });
  drawn.value;
  const virtual = useVirtual(rows.current.length, box);
  return (
    <>
      <FilterBar error={null} time={false} />
      <div class="bar">
        <button
          type="button"
          class={`button ${paused.value ? 'primary' : ''}`}
          onClick={toggle}
          aria-pressed={paused.value}
        >
          <Icon name={paused.value ? 'play' : 'pause'} />
          {paused.value ? `Go on${waiting.value > 0 ? ` (${number(waiting.value)} waiting)` : ''}` : 'Pause'}
        </button>
        <span
          class={`pulse ${state.value === 'lost' ? 'lost' : paused.value || state.value === 'connecting' ? 'off' : ''}`}
        />
        <span class="soft">
          {state.value === 'lost'
            ? 'Connection lost, trying again'
            : state.value === 'connecting'
              ? 'Connecting'
              : paused.value
                ? 'Paused'
                : 'Live'}
        </span>
        <span style={{ flex: 1 }} />
        <span class="rate">
          <b>{rate.value < 10 ? rate.value.toFixed(1) : number(Math.round(rate.value))}</b> alerts/s
        </span>
        <span class="rate">
          <b>{number(total.value)}</b> seen
        </span>
        {dropped.value > 0 ? (
          <span class="tagged warn">{number(dropped.value)} too fast to show (all are stored)</span>
        ) : null}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse. */}
      <section class="rows" ref={box} aria-label="Live alerts" tabIndex={0}>
        {rows.current.length === 0 ? (
          <Empty title="Waiting for alerts" icon="live">
            Alerts appear here the moment they are stored.
          </Empty>
        ) : (
          <div class="virtual" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows.current[item.index];
              return row === undefined ? null : (
                <div key={row.id} style={{ transform: `translateY(${item.start}px)` }}>
                  <AlertLine row={row} />
                </div>
              );
            })}
          </div>
        )}
      </section>
    </>
  );
}
