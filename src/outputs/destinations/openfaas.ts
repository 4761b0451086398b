import { toJson } from '../forward/alert.ts';
import { httpDestination, JSON_HEADERS } from '../forward/destination.ts';
import { integer, text } from '../forward/option.ts';

export const openfaas = httpDestination({
  name: 'openfaas',
  label: 'openfaas',
  group: 'serverless',
  doc: 'The alert as JSON to an OpenFaaS function, through its gateway.',
  options: {
    functionname: text('The function; turns the output on.'),
    functionnamespace: text('Namespace of the function.', 'openfaas-fn'),
    gatewayservice: text('Service of the gateway.', 'gateway'),
    gatewayport: integer('Port of the gateway.', 8080),
    gatewaynamespace: text('Namespace of the gateway.', 'openfaas'),
    url: text('URL of the gateway, when it is not a service of this cluster.'),
    kubeconfig: text('Accepted and not needed: the gateway is called directly.'),
  },
  enabled: (o) => o.functionname !== '',
  request: ([alert], o) => ({
    url: `${o.url || `http://${o.gatewayservice}.${o.gatewaynamespace}:${o.gatewayport}`}/function/${o.functionname}.${o.functionnamespace}`,
    headers: JSON_HEADERS,
    body: toJson(alert),
  }),
});
