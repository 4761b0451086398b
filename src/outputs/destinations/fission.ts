import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { integer, text } from '../forward/option.ts';

export const fission = httpDestination({
  name: 'fission',
  label: 'fission',
  group: 'serverless',
  doc: 'The alert as JSON to a Fission function, through its router.',
  options: {
    function: text('The function; turns the output on.'),
    routernamespace: text('Namespace of the router.', 'fission'),
    routerservice: text('Service of the router.', 'router'),
    routerport: integer('Port of the router.', 80),
    url: text('URL of the router, when it is not a service of this cluster.'),
    kubeconfig: text('Accepted and not needed: the router is called directly.'),
  },
  enabled: (o) => o.function !== '',
  request: ([alert], o) => ({
    url: `${o.url || `http://${o.routerservice}.${o.routernamespace}:${o.routerport}`}/fission-function/${o.function}`,
    headers: { ...JSON_HEADERS, 'event-id': alert.uuid, 'event-type': 'falco' },
    body: toJson(alert),
  }),
});
