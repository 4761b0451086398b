import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Role, TokenRole } from '../../src/server/api.ts';
import { call } from './client.ts';
import { Destinations } from './destinations.tsx';
import { bytes, stamp, visible } from './format.ts';
import { ActionsTitle, Failure, Field, Icon, messageOf, NoRows, useLoad, When } from './parts.tsx';
import { go, place, withQuery } from './router.ts';
import { may, session } from './session.ts';
import { say } from './toast.tsx';

const TABS = [
  ['account', 'Your account', 'viewer'],
  ['users', 'Users', 'admin'],
  ['tokens', 'Tokens', 'admin'],
  ['destinations', 'Destinations', 'viewer'],
  ['retention', 'Retention and backup', 'admin'],
  ['captures', 'Recordings', 'viewer'],
  ['audit', 'Audit log', 'viewer'],
] as const;

/** Does something and says how it went. */
async function attempt(work: () => Promise<unknown>, done: string, after: () => void): Promise<void> {
  try {
    await work();
    say(done);
    after();
  } catch (error) {
    say(messageOf(error));
  }
}

/** Fields in a line, and the button that does something with them. */
function LineForm({
  button,
  submit,
  children,
}: {
  button: string;
  submit: () => Promise<void>;
  children: ComponentChildren;
}) {
  return (
    <form
      class="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {children}
      <button type="submit" class="button">
        {button}
      </button>
    </form>
  );
}

export function SettingsPage() {
  const tab = place.value.query.get('tab') ?? 'account';
  return (
    <>
      <header class="head">
        <h1 class="grow">Settings</h1>
      </header>
      <div class="bar">
        <nav class="segmented" aria-label="Settings">
          {TABS.filter(([, , role]) => may(role)).map(([name, label]) => (
            <a key={name} href={withQuery({ tab: name })} aria-current={tab === name ? 'true' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      </div>
      <div class="page">
        <div class="content">
          {tab === 'account' ? <Account /> : null}
          {tab === 'users' && may('admin') ? <Users /> : null}
          {tab === 'tokens' && may('admin') ? <Tokens /> : null}
          {tab === 'destinations' ? <Destinations /> : null}
          {tab === 'retention' && may('admin') ? <Keeping /> : null}
          {tab === 'captures' ? <Recordings /> : null}
          {tab === 'audit' ? <Audit /> : null}
        </div>
      </div>
    </>
  );
}

function Account() {
  const old = useSignal('');
  const next = useSignal('');
  return (
    <section class="block">
      <h2>Your account</h2>
      <p>
        You are <b>{session.value?.name}</b>,{' '}
        {session.value?.role === 'admin' ? 'an admin' : session.value?.role === 'analyst' ? 'an analyst' : 'a viewer'}.
        A new password ends your other sessions and this one.
      </p>
      <LineForm
        button="Change password"
        submit={() =>
          attempt(
            () => call('POST /api/password', { body: { old: old.value, new: next.value } }),
            'The password is changed; log in with it.',
            () => {
              session.value = null;
            },
          )
        }
      >
        <Field
          label="Present password"
          type="password"
          autocomplete="current-password"
          required
          value={old.value}
          onInput={(value) => (old.value = value)}
        />
        <Field
          label="New password"
          type="password"
          autocomplete="new-password"
          minLength={10}
          required
          value={next.value}
          onInput={(value) => (next.value = value)}
        />
      </LineForm>
    </section>
  );
}

function RoleSelect({
  value,
  onChange,
  ingest = false,
  label,
}: {
  value: string;
  onChange: (role: string) => void;
  ingest?: boolean;
  label: string;
}) {
  return (
    <select class="input" aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {ingest ? <option value="ingest">ingest: brings alerts in</option> : null}
      <option value="viewer">viewer: sees</option>
      <option value="analyst">analyst: sees and triages</option>
      <option value="admin">admin: everything</option>
    </select>
  );
}

function Users() {
  const { data, error, reload } = useLoad('users', (signal) => call('GET /api/users', { signal }));
  const name = useSignal('');
  const password = useSignal('');
  const role = useSignal<Role>('analyst');
  return (
    <section class="block">
      <h2>Users</h2>
      {error === null ? null : <Failure error={error} retry={reload} />}
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Role</th>
            <th>Logs in by</th>
            <th>Since</th>
            <ActionsTitle />
          </tr>
        </thead>
        <tbody>
          {data?.map((user) => (
            <tr key={user.name}>
              <td>
                <b>{user.name}</b>
              </td>
              <td>
                <RoleSelect
                  label={`Role of ${user.name}`}
                  value={user.role}
                  onChange={(next) =>
                    void attempt(
                      () => call('PUT /api/users/:name', { path: { name: user.name }, body: { role: next as Role } }),
                      'Changed.',
                      reload,
                    )
                  }
                />
              </td>
              <td>{user.oidc ? 'identity provider' : 'password'}</td>
              <td class="tight">{stamp(user.created)}</td>
              <td class="right">
                <button
                  type="button"
                  class="button small danger"
                  disabled={user.name === session.value?.name}
                  onClick={() =>
                    void attempt(
                      () => call('DELETE /api/users/:name', { path: { name: user.name } }),
                      `${user.name} is removed.`,
                      reload,
                    )
                  }
                >
                  Remove
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <LineForm
        button="Add user"
        submit={() =>
          attempt(
            () => call('POST /api/users', { body: { name: name.value, password: password.value, role: role.value } }),
            `${name.value} can log in now.`,
            () => {
              name.value = '';
              password.value = '';
              reload();
            },
          )
        }
      >
        <Field label="Name" autocomplete="off" required value={name.value} onInput={(value) => (name.value = value)} />
        <Field
          label="First password"
          type="password"
          autocomplete="new-password"
          minLength={10}
          required
          value={password.value}
          onInput={(value) => (password.value = value)}
        />
        <div class="field">
          Role
          <RoleSelect label="Role" value={role.value} onChange={(next) => (role.value = next as Role)} />
        </div>
      </LineForm>
    </section>
  );
}

function Tokens() {
  const { data, error, reload } = useLoad('tokens', (signal) => call('GET /api/tokens', { signal }));
  const name = useSignal('');
  const role = useSignal<TokenRole>('ingest');
  const made = useSignal<string | null>(null);
  return (
    <section class="block">
      <h2>Tokens</h2>
      <p>
        For programs: <code>Authorization: Bearer TOKEN</code>, or the password of Basic authentication, as in{' '}
        <code>http://sensor:TOKEN@{location.host}/api/v1/</code>.
      </p>
      {error === null ? null : <Failure error={error} retry={reload} />}
      {made.value === null ? null : (
        <div class="secret" role="status">
          <p>The token, shown this once:</p>
          <code>{made.value}</code>
        </div>
      )}
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Role</th>
            <th>Made</th>
            <th>Last used</th>
            <ActionsTitle />
          </tr>
        </thead>
        <tbody>
          {data?.map((token) => (
            <tr key={token.id}>
              <td>
                <b>{token.name}</b>
              </td>
              <td>{token.role}</td>
              <td class="tight">{stamp(token.created)}</td>
              <td class="tight">
                {token.used === null ? <span class="faint">never</span> : <When time={token.used} />}
              </td>
              <td class="right">
                <button
                  type="button"
                  class="button small danger"
                  onClick={() =>
                    void attempt(
                      () => call('DELETE /api/tokens/:id', { path: { id: token.id } }),
                      'The token is void.',
                      reload,
                    )
                  }
                >
                  Revoke
                </button>
              </td>
            </tr>
          ))}
          {data?.length === 0 ? (
            <NoRows columns={5}>No tokens yet. Make one of the role “ingest” for each sensor or forwarder.</NoRows>
          ) : null}
        </tbody>
      </table>
      <LineForm
        button="Make token"
        submit={() =>
          attempt(
            async () => {
              made.value = (await call('POST /api/tokens', { body: { name: name.value, role: role.value } })).token;
            },
            'Made.',
            () => {
              name.value = '';
              reload();
            },
          )
        }
      >
        <Field label="Name" required value={name.value} onInput={(value) => (name.value = value)} />
        <div class="field">
          Role
          <RoleSelect label="Role" ingest value={role.value} onChange={(next) => (role.value = next as TokenRole)} />
        </div>
      </LineForm>
    </section>
  );
}

function Keeping() {
  const { data, error, reload } = useLoad('health', (signal) => call('GET /api/health', { signal }));
  const days = useSignal<string | null>(null);
  const gigabytes = useSignal<string | null>(null);
  if (data === null) return error === null ? null : <Failure error={error} retry={reload} />;
  const shownDays = days.value ?? String(data.retention.days ?? '');
  const shownSize = gigabytes.value ?? String(data.retention.gigabytes ?? '');
  const amount = (value: string) => (value.trim() === '' ? null : Number(value));
  return (
    <>
      <section class="block">
        <h2>Retention</h2>
        <p>
          What is beyond either bound is removed, the oldest first; groups, their history and their counts stay. Empty
          means no bound. The store holds {bytes(data.store.bytes)} now.
        </p>
        <LineForm
          button="Set"
          submit={() =>
            attempt(
              () => call('PUT /api/retention', { body: { days: amount(shownDays), gigabytes: amount(shownSize) } }),
              'Set.',
              reload,
            )
          }
        >
          <Field label="Days" inputMode="decimal" value={shownDays} onInput={(value) => (days.value = value)} />
          <Field
            label="Gigabytes"
            inputMode="decimal"
            value={shownSize}
            onInput={(value) => (gigabytes.value = value)}
          />
        </LineForm>
      </section>
      <section class="block">
        <h2>Backup</h2>
        {data.store.kind === 'sqlite' ? (
          <>
            <p>Writes a consistent copy of the database into the data directory while work goes on.</p>
            <button
              type="button"
              class="button"
              onClick={async () => {
                try {
                  say(`Written to ${(await call('POST /api/backup', {})).path}`);
                } catch (failure) {
                  say(messageOf(failure));
                }
              }}
            >
              <Icon name="download" /> Back up now
            </button>
          </>
        ) : (
          <p>
            PostgreSQL is backed up by its own tool, <code>pg_dump</code>.
          </p>
        )}
      </section>
    </>
  );
}

function Recordings() {
  const { data, error, reload } = useLoad('captures', (signal) => call('GET /api/captures', { signal }));
  return (
    <section class="block">
      <h2>Recordings</h2>
      <p>System calls around alerts, as sensors sent them. They open in Falco, sysdig and Stratoshark too.</p>
      {error === null ? null : <Failure error={error} retry={reload} />}
      <table class="table">
        <thead>
          <tr>
            <th>File</th>
            <th>Host</th>
            <th>From</th>
            <th>To</th>
            <th class="right">Size</th>
          </tr>
        </thead>
        <tbody>
          {data?.map((capture) => (
            <tr key={capture.id}>
              <td>
                <a href={`/api/captures/${capture.id}/file`} download={capture.name}>
                  {capture.name}
                </a>
              </td>
              <td>{visible(capture.host)}</td>
              <td class="tight">{stamp(capture.from)}</td>
              <td class="tight">{stamp(capture.to)}</td>
              <td class="right">{bytes(capture.bytes)}</td>
            </tr>
          ))}
          {data?.length === 0 ? <NoRows columns={5}>No recordings yet.</NoRows> : null}
        </tbody>
      </table>
    </section>
  );
}

function Audit() {
  const { data, error, reload } = useLoad('audit', (signal) => call('GET /api/history', { signal }));
  return (
    <section class="block">
      <h2>Audit log</h2>
      {error === null ? null : <Failure error={error} retry={reload} />}
      <table class="table">
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>What</th>
            <th>Group</th>
            <th>Detail</th>
          </tr>
        </thead>
        <tbody>
          {data?.map((entry) => (
            <tr key={entry.id}>
              <td class="tight">{stamp(entry.time)}</td>
              <td>{visible(entry.who)}</td>
              <td>{entry.action}</td>
              <td>{entry.group === null ? '' : <a href={`/groups/${entry.group}`}>{entry.group}</a>}</td>
              <td class="mono">{visible(entry.detail.slice(0, 500))}</td>
            </tr>
          ))}
          {data?.length === 0 ? <NoRows columns={5}>Nothing has been changed yet.</NoRows> : null}
        </tbody>
      </table>
    </section>
  );
}

/** Leaves the hub. */
export async function logOut(): Promise<void> {
  await attempt(
    () => call('POST /api/logout', {}),
    'Logged out.',
    () => {
      session.value = null;
      go('/');
    },
  );
}
