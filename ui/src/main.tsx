import { signal, useSignal } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import './style.css';
import type { SavedSearch } from '../../src/server/api.ts';
import { AttackPage } from './attack.tsx';
import { call, whoAmI } from './client.ts';
import { AlertPermalink, GroupPage, NotFound } from './group.tsx';
import { HealthPage } from './health.tsx';
import { Explorer } from './inbox.tsx';
import { Live } from './live.tsx';
import { Login } from './login.tsx';
import { Dialog, Icon, type IconName, Logo, typing } from './parts.tsx';
import { go, place } from './router.ts';
import { RulesPage } from './rules.tsx';
import { may, session } from './session.ts';
import { logOut, SettingsPage } from './settings.tsx';
import { listen } from './stream.ts';
import { Toast } from './toast.tsx';

type Theme = 'light' | 'dark';
const stored = localStorage.getItem('theme');
const theme = signal<Theme>(
  stored === 'light' || stored === 'dark'
    ? stored
    : matchMedia('(prefers-color-scheme: dark)').matches
      ? 'dark'
      : 'light',
);
document.documentElement.dataset.theme = theme.value;

function toggleTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem('theme', theme.value);
}

const PAGES: readonly (readonly [path: string, label: string, icon: IconName, key: string])[] = [
  ['/', 'Inbox', 'inbox', 'i'],
  ['/alerts', 'Alerts', 'alerts', 's'],
  ['/live', 'Live', 'live', 'l'],
  ['/rules', 'Rules', 'rules', 'u'],
  ['/attack', 'ATT&CK', 'attack', 't'],
  ['/health', 'Health', 'health', 'h'],
  ['/settings', 'Settings', 'settings', ','],
];

const KEYS: readonly (readonly [keys: readonly string[], what: string])[] = [
  [['j', 'k'], 'next, previous'],
  [['Enter'], 'open'],
  [['x'], 'choose (inbox), make an exception (alert)'],
  [['e'], 'acknowledge'],
  [['m'], 'mute'],
  [['r'], 'resolve'],
  [['a'], 'assign to yourself (alert)'],
  [['n', 'p'], 'older, newer alert of the group'],
  [['u'], 'back to the inbox'],
  [['/'], 'query'],
  [['Space'], 'pause the live tail'],
  ...PAGES.map(([, label, , key]) => [['g', key], label] as const),
  [['?'], 'this help'],
];

function Searches() {
  const list = useSignal<readonly SavedSearch[]>([]);
  useEffect(() => {
    const load = () =>
      void call('GET /api/searches', {})
        .then((found) => (list.value = found))
        .catch(() => {});
    load();
    document.addEventListener('searches', load);
    return () => document.removeEventListener('searches', load);
  }, [list]);
  if (list.value.length === 0) return null;
  return (
    <>
      <h2>Saved searches</h2>
      {list.value.map((search) => (
        <span key={search.id} class="item" style={{ paddingRight: 0 }}>
          <a class="label" href={search.url} title={`${search.name} (${search.who})`} style={{ color: 'inherit' }}>
            {search.name}
          </a>
          {may('analyst') ? (
            <button
              type="button"
              class="button plain small"
              aria-label={`Forget the search ${search.name}`}
              onClick={() =>
                void call('DELETE /api/searches/:id', { path: { id: search.id } }).then(() =>
                  document.dispatchEvent(new Event('searches')),
                )
              }
            >
              <Icon name="close" />
            </button>
          ) : null}
        </span>
      ))}
    </>
  );
}

function Frame() {
  const { path } = place.value;
  const help = useSignal(false);
  const main = useRef<HTMLElement>(null);
  useEffect(listen, []);
  useEffect(() => {
    let pending = 0;
    const listenKeys = (event: KeyboardEvent) => {
      if (typing(event)) return;
      if (pending !== 0) {
        clearTimeout(pending);
        pending = 0;
        const page = PAGES.find(([, , , key]) => key === event.key);
        if (page !== undefined) {
          event.preventDefault();
          event.stopImmediatePropagation();
          go(page[0]);
        }
        return;
      }
      if (event.key === 'g') {
        event.stopImmediatePropagation();
        pending = window.setTimeout(() => {
          pending = 0;
        }, 1200);
      } else if (event.key === '?') help.value = true;
    };
    // Before the page's own keys: the letter after g belongs here.
    document.addEventListener('keydown', listenKeys, true);
    return () => document.removeEventListener('keydown', listenKeys, true);
  }, [help]);
  const active =
    PAGES.find(([to]) => to === path || (to !== '/' && path.startsWith(`${to}/`)))?.[0] ??
    (path.startsWith('/groups/') ? '/' : '');
  const title = PAGES.find(([to]) => to === active)?.[1] ?? 'Windhover';
  useEffect(() => {
    document.title = `${title} · Windhover`;
  }, [title]);
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <div class="rail">
        <a class="brand" href="/" aria-label="Windhover, to the inbox">
          <Logo />
          <span>Windhover</span>
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([to, label, icon, key]) => (
            <a
              key={to}
              class="item"
              href={to}
              aria-current={active === to ? 'page' : undefined}
              title={`${label} (g ${key})`}
              aria-label={label}
            >
              <Icon name={icon} />
              <span class="label">{label}</span>
            </a>
          ))}
        </nav>
        <Searches />
        <div class="foot">
          <button type="button" class="item" onClick={() => (help.value = true)} aria-label="Keys">
            <Icon name="help" />
            <span class="label">Keys</span>
            <span class="badge">?</span>
          </button>
          <button
            type="button"
            class="item"
            onClick={toggleTheme}
            aria-label={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
          >
            <Icon name={theme.value === 'dark' ? 'sun' : 'moon'} />
            <span class="label">{theme.value === 'dark' ? 'Light' : 'Dark'}</span>
          </button>
          <button type="button" class="item" onClick={() => void logOut()}>
            <Icon name="out" />
            <span class="sr">Log out</span>
            <span class="label">{session.value?.name}</span>
            <span class="badge">{session.value?.role}</span>
          </button>
        </div>
      </div>
      <main class="main" id="main" ref={main} tabIndex={-1}>
        <Page />
      </main>
      {help.value ? (
        <Dialog title="Keys" width={460} onClose={() => (help.value = false)}>
          <div class="keys">
            {KEYS.map(([keys, what]) => (
              <>
                <span>
                  {keys.map((key) => (
                    <>
                      <kbd>{key}</kbd>{' '}
                    </>
                  ))}
                </span>
                <span>{what}</span>
              </>
            ))}
          </div>
        </Dialog>
      ) : null}
    </div>
  );
}

function Page() {
  const { path } = place.value;
  if (path === '/') return <Explorer view="groups" />;
  if (path === '/alerts') return <Explorer view="alerts" />;
  if (path === '/live') return <Live />;
  if (path === '/rules') return <RulesPage key={place.value.query.toString()} />;
  if (path === '/attack') return <AttackPage />;
  if (path === '/health') return <HealthPage />;
  if (path === '/settings') return <SettingsPage />;
  const [, kind, id] = /^\/(groups|alerts)\/(\d+)$/.exec(path) ?? [];
  if (kind === 'groups') return <GroupPage key={id} id={Number(id)} />;
  if (kind === 'alerts') return <AlertPermalink key={id} id={Number(id)} />;
  return <NotFound />;
}

function App() {
  useEffect(() => {
    whoAmI().then(
      (who) => {
        session.value = who;
      },
      () => {
        session.value = null;
      },
    );
  }, []);
  return (
    <>
      {session.value === undefined ? null : session.value === null ? <Login /> : <Frame />}
      <Toast />
    </>
  );
}

render(<App />, document.getElementById('app') as HTMLElement);
