/**
 * Environment references in configuration values, as in Falco 0.44: `${NAME}` becomes the variable's value
 * (nothing when it is not set), `$${NAME}` becomes the literal `${NAME}`, a bare `$NAME` stays. A value that
 * holds references itself is expanded again; a variable that leads back to itself yields nothing.
 */
export function expandEnvironment(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  return expand(text, environment, []);
}

function expand(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  within: readonly string[],
): string {
  if (!text.includes('${')) return text;
  return text.replace(/(\$?)\$\{([^}]*)\}/g, (reference, dollar: string, name: string) => {
    if (dollar === '$') return reference.slice(1);
    if (within.includes(name)) return '';
    return expand(environment[name] ?? '', environment, [...within, name]);
  });
}
