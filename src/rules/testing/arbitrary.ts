import fc from 'fast-check';

/** Conditions for property tests, as `print` writes them, over the fields of the catalogue for tests. */

const TEXTS = ['proc.name', 'fd.name', 'evt.res', 'proc.aname[2]', 'evt.arg.path', 'proc.env["A B"]'];
const NUMBERS = ['fd.num', 'proc.pid', 'evt.num', 'user.loginuid'];

const field = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc
    .tuple(fc.constantFrom('tolower', 'toupper', 'basename', 'b64'), fc.constantFrom(...TEXTS))
    .map(([name, of]) => `${name}(${of})`),
  fc.constantFrom('concat(proc.name,fd.name)', 'join(proc.name,(fd.name,evt.res))'),
);

/** A value as it is written: bare, or quoted where it must be. */
const value = fc.oneof(
  fc.stringMatching(/^[a-zA-Z0-9_./*?@:+%-]{1,8}$/),
  fc.stringMatching(/^[a-z =']{0,5} [a-z =']{0,3}$/).map((text) => `"${text}"`),
  fc.constantFrom('"a\\"b"', '"\\\\d"', '"a\\tb"', '"x\\ny"', '<NA>', '/etc/passwd'),
);
const values = fc.array(value, { maxLength: 4 }).map((all) => `(${all.join(', ')})`);

const check = fc.oneof(
  field.map((left) => `${left} exists`),
  fc
    .tuple(
      field,
      fc.constantFrom('=', '==', '!=', 'contains', 'icontains', 'startswith', 'endswith', 'glob', 'iglob'),
      value,
    )
    .map((parts) => parts.join(' ')),
  fc
    .tuple(fc.constantFrom(...NUMBERS), fc.constantFrom('<', '<=', '>', '>='), fc.integer())
    .map((parts) => parts.join(' ')),
  fc.tuple(field, fc.constantFrom('in', 'intersects', 'pmatch'), values).map((parts) => parts.join(' ')),
  fc
    .tuple(field, fc.constantFrom('=', '!=', 'startswith', 'glob'), fc.constantFrom('oneof', 'anyof', 'allof'), values)
    .map((parts) => parts.join(' ')),
  fc
    .tuple(field, fc.constantFrom('=', '!=', 'contains'), fc.constantFrom(...TEXTS))
    .map(([l, op, r]) => `${l} ${op} val(${r})`),
);

/** Text of a condition; brackets stand as `print` sets them. */
export const conditionText: fc.Arbitrary<string> = fc.letrec<{ expr: string; series: string; not: string }>((tie) => ({
  expr: fc.oneof({ maxDepth: 4 }, check, tie('series'), tie('not')),
  series: fc
    .tuple(fc.constantFrom('and', 'or'), fc.array(tie('expr'), { minLength: 2, maxLength: 4 }))
    .map(([word, parts]) => `(${parts.join(` ${word} `)})`),
  not: tie('expr').map((expr) => (expr.startsWith('not ') ? expr : `not ${expr}`)),
})).expr;
