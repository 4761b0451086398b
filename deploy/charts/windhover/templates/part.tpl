{{/*
A part beside the sensors, of one container: a service, a StatefulSet with a volume for what it keeps, a policy.
Takes a dictionary: context, name, port, values (of the part), args, env, mounts and volumes (lists), account (or empty),
ingress (who may talk to it: a list of `from`), checksum, health.
*/}}
{{- define "windhover.part" -}}
{{- $context := .context -}}
{{- $values := .values -}}
{{- $of := list $context .name -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ include "windhover.namespace" $context }}
  labels: {{ include "windhover.partLabels" $of | nindent 4 }}
  {{- with (default (dict) $values.service).annotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ (default (dict) $values.service).type | default "ClusterIP" }}
  selector: {{ include "windhover.partSelector" $of | nindent 4 }}
  ports:
    - { name: http, port: {{ .port }}, targetPort: http, protocol: TCP }
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  namespace: {{ include "windhover.namespace" $context }}
  labels: {{ include "windhover.partLabels" $of | nindent 4 }}
spec:
  replicas: {{ .replicas | default 1 }}
  serviceName: {{ .name }}
  podManagementPolicy: Parallel
  selector:
    matchLabels: {{ include "windhover.partSelector" $of | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "windhover.partSelector" $of | nindent 8 }}
        app: {{ .name }}
        {{- with $values.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
      annotations:
        checksum/config: {{ .checksum }}
        {{- with $values.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      {{- if .account }}
      serviceAccountName: {{ .account }}
      {{- else }}
      automountServiceAccountToken: false
      {{- end }}
      {{- with $context.Values.imagePullSecrets }}
      imagePullSecrets: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      securityContext: { fsGroup: 1000 }
      {{- with $values.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.affinity }}
      affinity: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{ toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: windhover
          image: {{ include "windhover.image" $context }}
          imagePullPolicy: {{ $context.Values.image.pullPolicy }}
          command: [/usr/bin/windhover]
          args: {{ toJson .args }}
          securityContext: {{ include "windhover.restricted" $context | nindent 12 }}
          {{- with $values.resources }}
          resources: {{ toYaml . | nindent 12 }}
          {{- end }}
          {{- with .env }}
          env: {{ toYaml . | nindent 12 }}
          {{- end }}
          {{- with .envFrom }}
          envFrom: {{ toYaml . | nindent 12 }}
          {{- end }}
          ports:
            - { name: http, containerPort: {{ .port }}, protocol: TCP }
          readinessProbe:
            httpGet: { path: /healthz, port: http }
            periodSeconds: 5
          livenessProbe:
            httpGet: { path: /healthz, port: http }
            initialDelaySeconds: 30
            periodSeconds: 15
            timeoutSeconds: 5
          volumeMounts:
            - { name: data, mountPath: /var/lib/windhover }
            - { name: tmp, mountPath: /tmp }
            {{- range .mounts }}
            - {{ toJson . }}
            {{- end }}
      volumes:
        - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
        {{- if not $values.storageEnabled }}
        - { name: data, emptyDir: {} }
        {{- end }}
        {{- range .volumes }}
        - {{ toJson . }}
        {{- end }}
  {{- if $values.storageEnabled }}
  volumeClaimTemplates:
    - metadata: { name: data }
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: { requests: { storage: {{ $values.storageSize }} } }
  {{- end }}
{{- if $context.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  namespace: {{ include "windhover.namespace" $context }}
  labels: {{ include "windhover.partLabels" $of | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{ include "windhover.partSelector" $of | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports: [{ port: {{ .port }}, protocol: TCP }]
      {{- with .from }}
      from: {{ toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
{{- if and $context.Values.podDisruptionBudget.enabled (gt (int (.replicas | default 1)) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ include "windhover.namespace" $context }}
  labels: {{ include "windhover.partLabels" $of | nindent 4 }}
spec:
  minAvailable: {{ $context.Values.podDisruptionBudget.minAvailable }}
  selector:
    matchLabels: {{ include "windhover.partSelector" $of | nindent 6 }}
{{- end }}
{{- with $values.ingress }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ $.name }}
  namespace: {{ include "windhover.namespace" $context }}
  labels: {{ include "windhover.partLabels" $of | nindent 4 }}
  {{- with .annotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .ingressClassName }}
  ingressClassName: {{ . }}
  {{- end }}
  rules:
    {{- range .hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          {{- range .paths | default (list (dict "path" "/")) }}
          - path: {{ .path }}
            pathType: {{ .pathType | default "Prefix" }}
            backend: { service: { name: {{ $.name }}, port: { name: http } } }
          {{- end }}
    {{- end }}
  {{- with .tls }}
  tls: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- with $values.serviceMonitor }}
{{- if .enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ $.name }}
  namespace: {{ include "windhover.namespace" $context }}
  labels:
    {{- include "windhover.partLabels" $of | nindent 4 }}
    {{- with .additionalLabels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  endpoints:
    - { port: http, path: /metrics, interval: {{ .interval | default "15s" }} }
  selector:
    matchLabels: {{ include "windhover.partSelector" $of | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}
