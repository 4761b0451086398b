import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call } from './client.ts';
import { Field, Logo, messageOf } from './parts.tsx';
import { session } from './session.ts';

export function Login() {
  const name = useSignal('');
  const password = useSignal('');
  const problem = useSignal('');
  const busy = useSignal(false);
  const oidc = useSignal<string | null>(null);
  useEffect(() => {
    call('GET /api/login', {}).then(
      (options) => {
        oidc.value = options.oidc?.label ?? null;
      },
      (error) => {
        problem.value = messageOf(error);
      },
    );
  }, [oidc, problem]);
  return (
    <main class="login">
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          busy.value = true;
          try {
            session.value = await call('POST /api/login', { body: { name: name.value, password: password.value } });
          } catch (error) {
            problem.value = messageOf(error);
          }
          busy.value = false;
        }}
      >
        <h1 class="brand">
          <Logo /> Windhover
        </h1>
        <Field
          label="Name"
          name="username"
          autocomplete="username"
          required
          value={name.value}
          onInput={(value) => (name.value = value)}
        />
        <Field
          label="Password"
          type="password"
          name="password"
          autocomplete="current-password"
          required
          value={password.value}
          onInput={(value) => (password.value = value)}
        />
        {problem.value === '' ? null : (
          <p class="bad" role="alert">
            {problem.value}
          </p>
        )}
        <button type="submit" class="button primary" disabled={busy.value}>
          {busy.value ? 'Logging in…' : 'Log in'}
        </button>
        {oidc.value === null ? null : (
          <a class="button" href="/api/oidc">
            {oidc.value}
          </a>
        )}
        <p class="faint" style={{ fontSize: '12px' }}>
          The first start printed the password of the user “admin”.
        </p>
      </form>
    </main>
  );
}
