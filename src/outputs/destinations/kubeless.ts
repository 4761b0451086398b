import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { integer, text } from '../forward/option.ts';

export const kubeless = httpDestination({
  name: 'kubeless',
  label: 'kubeless',
  group: 'serverless',
  doc: 'The alert as JSON to a Kubeless function (a project that has ended; kept for clusters that still run it).',
  options: {
    function: text('The function; turns the output on, with the namespace.'),
    namespace: text('Its namespace.'),
    port: integer('Its port.', 8080),
    url: text('URL of the function, when it is not a service of this cluster.'),
    kubeconfig: text('Accepted and not needed: the function is called directly.'),
  },
  enabled: (o) => o.function !== '' && o.namespace !== '',
  request: ([alert], o) => ({
    url: o.url || `http://${o.function}.${o.namespace}.svc.cluster.local:${o.port}`,
    headers: {
      ...JSON_HEADERS,
      'event-id': alert.uuid,
      'event-type': 'falco',
      'event-namespace': o.namespace,
    },
    body: toJson(alert),
  }),
});
