import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { PRIORITIES } from '../../src/rules/ruleset.ts';
import type { Histogram as Data } from '../../src/server/api.ts';
import { number, stamp } from './format.ts';

const HEIGHT = 84;

/** Alerts over time, stacked by priority, the gravest at the bottom. Dragging chooses a time. */
export function Histogram({ data, onChoose }: { data: Data; onChoose: ((from: number, to: number) => void) | null }) {
  const svg = useRef<SVGSVGElement>(null);
  const over = useSignal<number | null>(null);
  const drag = useSignal<{ from: number; to: number } | null>(null);
  const n = Math.max(1, data.counts[0]?.length ?? 1);
  const totals = Array.from({ length: n }, (_, i) => data.counts.reduce((sum, list) => sum + (list[i] ?? 0), 0));
  const top = Math.max(1, ...totals);
  const end = data.from + n * data.step;
  const bucketAt = (event: { clientX: number }): number => {
    const box = svg.current?.getBoundingClientRect();
    if (box === undefined || box.width === 0) return 0;
    return Math.min(n - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * n)));
  };
  const bars = totals.flatMap((total, i) => {
    if (total === 0) return [];
    // A single alert among thousands must still be seen.
    const scale = (Math.max(3, (total / top) * (HEIGHT - 2)) / total) * 1;
    let y = HEIGHT;
    return data.counts.flatMap((list, priority) => {
      const count = list[i] ?? 0;
      if (count === 0) return [];
      const height = Math.max(priority <= 2 ? 2 : 0.5, count * scale);
      y -= height;
      return (
        <rect
          key={`${i} ${priority}`}
          x={i * 10 + 0.8}
          y={Math.max(0, y)}
          width={8.4}
          height={height}
          fill={`var(--b${priority})`}
        />
      );
    });
  });
  const chosen = drag.value;
  const hovered = over.value;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => stamp(data.from + part * (end - data.from)).slice(5, 16));
  return (
    <figure class="histogram" aria-label="Alerts over time">
      <svg
        ref={svg}
        viewBox={`0 0 ${n * 10} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${number(totals.reduce((a, b) => a + b, 0))} alerts from ${stamp(data.from)} to ${stamp(end)}`}
        onPointerDown={(event) => {
          if (onChoose === null) return;
          const at = bucketAt(event);
          drag.value = { from: at, to: at };
          svg.current?.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          over.value = bucketAt(event);
          if (drag.value !== null) drag.value = { from: drag.value.from, to: bucketAt(event) };
        }}
        onPointerLeave={() => {
          over.value = null;
        }}
        onPointerUp={() => {
          if (drag.value !== null && onChoose !== null) {
            const [a, b] = [Math.min(drag.value.from, drag.value.to), Math.max(drag.value.from, drag.value.to)];
            onChoose(data.from + a * data.step, data.from + (b + 1) * data.step);
          }
          drag.value = null;
        }}
      >
        <rect x="0" y={HEIGHT - 0.5} width={n * 10} height="0.5" fill="var(--line-strong)" />
        {hovered === null ? null : <rect x={hovered * 10} y="0" width="10" height={HEIGHT} fill="var(--hover)" />}
        {bars}
        {chosen === null ? null : (
          <rect
            x={Math.min(chosen.from, chosen.to) * 10}
            y="0"
            width={(Math.abs(chosen.to - chosen.from) + 1) * 10}
            height={HEIGHT}
            fill="var(--accent)"
            fill-opacity=".18"
          />
        )}
      </svg>
      {hovered === null || totals[hovered] === 0 ? null : (
        <div
          class="tip"
          style={
            hovered > n / 2 ? { right: `${100 - (hovered / n) * 100 + 2}%` } : { left: `${(hovered / n) * 100 + 3}%` }
          }
        >
          <b>{stamp(data.from + hovered * data.step)}</b>
          {data.counts.map((list, priority) =>
            list[hovered] ? (
              <div key={PRIORITIES[priority]}>
                <span class="swatch" style={{ background: `var(--b${priority})` }} />
                {number(list[hovered] ?? 0)} {PRIORITIES[priority]}
              </div>
            ) : null,
          )}
        </div>
      )}
      <div class="axis" aria-hidden="true">
        {ticks.map((tick, i) => (
          <span key={i}>{tick}</span>
        ))}
      </div>
    </figure>
  );
}
