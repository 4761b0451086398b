{{- define "windhover.pod" -}}
metadata:
  labels:
    {{- include "windhover.selector" . | nindent 4 }}
    app: {{ include "windhover.name" . }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include "windhover.config" . | sha256sum }}
    checksum/rules: {{ toJson .Values.customRules | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "windhover.serviceAccount" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  dnsPolicy: {{ .Values.dnsPolicy | default "ClusterFirstWithHostNet" }}
  {{- end }}
  {{- if and .Values.podPriorityClassName (eq .Values.controller.kind "daemonset") }}
  priorityClassName: {{ .Values.podPriorityClassName }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extra.initContainers }}
  initContainers: {{ toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: windhover
      image: {{ include "windhover.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      tty: {{ .Values.tty }}
      command: [/usr/bin/windhover]
      args: {{ concat (list "-U") .Values.extra.args | toJson }}
      securityContext: {{ include "windhover.securityContext" . | nindent 8 }}
      {{- with .Values.resources }}
      resources: {{ toYaml . | nindent 8 }}
      {{- end }}
      env:
        - { name: HOST_ROOT, value: /host }
        - { name: NODE_NAME, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
        - { name: FALCO_K8S_NODE_NAME, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
        {{- if .Values.falcoHostnameEnv }}
        - { name: FALCO_HOSTNAME, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
        {{- end }}
        {{- with .Values.extra.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- if .Values.falco.webserver.enabled }}
      ports:
        - { name: web, containerPort: {{ .Values.falco.webserver.listen_port }}, protocol: TCP }
      {{- range $name, $probe := .Values.healthChecks }}
      {{- if has $name (list "startupProbe" "livenessProbe" "readinessProbe") }}
      {{ $name }}:
        httpGet:
          path: {{ $.Values.falco.webserver.k8s_healthz_endpoint }}
          port: {{ $.Values.falco.webserver.listen_port }}
          {{- if $.Values.falco.webserver.ssl_enabled }}
          scheme: HTTPS
          {{- end }}
        {{- toYaml $probe | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- end }}
      volumeMounts:
        - { name: config, mountPath: /etc/falco/falco.yaml, subPath: falco.yaml, readOnly: true }
        - { name: tmp, mountPath: /tmp }
        {{- if .Values.customRules }}
        - { name: rules, mountPath: /etc/falco/rules.d, readOnly: true }
        {{- end }}
        {{- if include "windhover.certsSecret" . }}
        - { name: certs, mountPath: /etc/falco/certs, readOnly: true }
        {{- end }}
        {{- if include "windhover.clientCertsSecret" . }}
        - { name: client-certs, mountPath: /etc/falco/certs/client, readOnly: true }
        {{- end }}
        {{- if .Values.driver.enabled }}
        - { name: proc, mountPath: /host/proc, readOnly: true }
        - { name: etc, mountPath: /host/etc, readOnly: true }
        - { name: cgroup, mountPath: /sys/fs/cgroup, readOnly: true }
        - { name: tracing, mountPath: /sys/kernel/tracing, readOnly: true }
        {{- range $i, $path := include "windhover.socketDirectories" . | fromJsonArray }}
        - { name: sockets-{{ $i }}, mountPath: {{ printf "/host%s" $path }}, readOnly: true }
        {{- end }}
        {{- end }}
        {{- with .Values.mounts.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - { name: config, configMap: { name: {{ include "windhover.fullname" . }} } }
    - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
    {{- if .Values.customRules }}
    - { name: rules, configMap: { name: {{ include "windhover.fullname" . }}-rules } }
    {{- end }}
    {{- with include "windhover.certsSecret" . }}
    - { name: certs, secret: { secretName: {{ . }} } }
    {{- end }}
    {{- with include "windhover.clientCertsSecret" . }}
    - { name: client-certs, secret: { secretName: {{ . }} } }
    {{- end }}
    {{- if .Values.driver.enabled }}
    - { name: proc, hostPath: { path: /proc } }
    - { name: etc, hostPath: { path: /etc } }
    - { name: cgroup, hostPath: { path: /sys/fs/cgroup } }
    - { name: tracing, hostPath: { path: /sys/kernel/tracing } }
    {{- range $i, $path := include "windhover.socketDirectories" . | fromJsonArray }}
    - { name: sockets-{{ $i }}, hostPath: { path: {{ $path }}, type: DirectoryOrCreate } }
    {{- end }}
    {{- end }}
    {{- with .Values.mounts.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end -}}
