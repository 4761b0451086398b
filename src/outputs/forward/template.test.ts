import { describe, expect, it } from 'vitest';
import { parseTemplate, TemplateError } from './template.ts';

const data = {
  Rule: 'Terminal shell',
  Priority: 'Warning',
  Tags: ['a', 'b'],
  OutputFields: { 'user.name': 'root', 'proc.pid': 42, empty: '', 'evt.time': { rawJSON: '1767366245123456789' } },
};

describe('templates', () => {
  it.each([
    ['Alert: *{{ .Rule }}* by *{{ index .OutputFields "user.name" }}*', 'Alert: *Terminal shell* by *root*'],
    ['{{ index .OutputFields "no.such" }}', '<no value>'],
    ['{{ or (index .OutputFields "empty") (index .OutputFields "user.name") "none" }}', 'root'],
    ['{{ if eq .Priority "Error" "Warning" }}yes{{ else }}no{{ end }}', 'yes'],
    ['{{ if and .Tags (gt (index .OutputFields "proc.pid") 41) -}}  in {{- end }}', 'in'],
    ['{{ if false }}a{{ else if true }}b{{ else }}c{{ end }}', 'b'],
    ['{{ range $i, $t := .Tags }}{{ $i }}={{ $t }};{{ end }}', '0=a;1=b;'],
    ['{{ range .Tags }}[{{ . }} {{ $.Rule }}]{{ end }}', '[a Terminal shell][b Terminal shell]'],
    ['{{ with index .OutputFields "empty" }}x{{ else }}y{{ end }}', 'y'],
    ['{{ $u := index .OutputFields "user.name" }}{{ printf "%s/%04d" $u 7 }}', 'root/0007'],
    ['{{ .Rule | lower | printf "%q" }}', '"terminal shell"'],
    ['{{/* nothing */}}a {{- " b" }}', 'a b'],
    ['{{ index .OutputFields "evt.time" }}', '1767366245123456789'],
    ['{{ len .Tags }} {{ not .Tags }} {{ .Tags }}', '2 false [a b]'],
    ['{{ html "<b>" }} {{ urlquery "a b" }} {{ default "d" .Nothing }}', '&lt;b&gt; a+b d'],
    ['no action', 'no action'],
  ])('%s', (source, expected) => {
    expect(parseTemplate(source)(data)).toBe(expected);
  });

  it.each(['{{ .Rule', '{{ if .Rule }}', '{{ nosuch 1 }}', '{{ end }}', '{{ (index .Tags 0 }}'])(
    'refuses %s',
    (source) => {
      expect(() => parseTemplate(source)).toThrow(TemplateError);
    },
  );

  it('never treats data as a template, nor reaches beyond it', () => {
    expect(parseTemplate('{{ .Rule }}')({ Rule: '{{ .Secret }}', Secret: 'x' })).toBe('{{ .Secret }}');
    expect(parseTemplate('{{ .constructor }}{{ index . "__proto__" }}')({})).toBe('<no value><no value>');
  });
});
