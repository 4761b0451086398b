{{- define "windhover.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "windhover.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "windhover.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "windhover.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "windhover.selector" -}}
app.kubernetes.io/name: {{ include "windhover.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "windhover.labels" -}}
{{ include "windhover.selector" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "windhover.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "windhover.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "windhover.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Kinds of driver that the chart of Falco knows; all come to the one program that we have. */}}
{{- define "windhover.checkDriver" -}}
{{- if not (has .Values.driver.kind (list "auto" "kmod" "module" "modern_ebpf" "modern-bpf")) -}}
{{- fail (printf "unsupported driver kind: %q; use auto or modern_ebpf" .Values.driver.kind) -}}
{{- end -}}
{{- end -}}

{{/*
What the program needs to load the probe and to read /proc of every process, and nothing else; privileged only on request.
*/}}
{{- define "windhover.securityContext" -}}
{{- if .Values.containerSecurityContext -}}
{{- toYaml .Values.containerSecurityContext -}}
{{- else if not .Values.driver.enabled -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 1000
capabilities: { drop: [ALL] }
seccompProfile: {{ toJson .Values.seccompProfile }}
{{- else if .Values.driver.modernEbpf.leastPrivileged -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: 0
capabilities:
  drop: [ALL]
  add: [BPF, PERFMON, SYS_RESOURCE, SYS_PTRACE, DAC_READ_SEARCH]
seccompProfile: {{ toJson .Values.seccompProfile }}
{{- else -}}
privileged: true
{{- end -}}
{{- end -}}

{{/* What surrounds the sensors has the names that the chart of Falco gives it. */}}
{{- define "windhover.forwarder" -}}{{ printf "%s-falcosidekick" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- define "windhover.hub" -}}{{ printf "%s-falcosidekick-ui" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}
{{- define "windhover.responder" -}}{{ printf "%s-falco-talon" .Release.Name | trunc 63 | trimSuffix "-" }}{{- end -}}

{{- define "windhover.forwarderEnabled" -}}{{- if .Values.falcosidekick.enabled -}}true{{- end -}}{{- end -}}
{{- define "windhover.hubEnabled" -}}{{- if and .Values.falcosidekick.enabled .Values.falcosidekick.webui.enabled -}}true{{- end -}}{{- end -}}
{{- define "windhover.responderEnabled" -}}{{- if .Values.responseActions.enabled -}}true{{- end -}}{{- end -}}

{{/* Where one part reaches another: (list CONTEXT NAME PORT). */}}
{{- define "windhover.urlOf" -}}
{{- $context := index . 0 -}}
{{- $host := index . 1 -}}
{{- if $context.Values.falcosidekick.fullfqdn -}}
{{- $host = printf "%s.%s.svc.cluster.local" $host (include "windhover.namespace" $context) -}}
{{- end -}}
{{- printf "http://%s:%v" $host (index . 2) -}}
{{- end -}}

{{- define "windhover.partSelector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end -}}

{{- define "windhover.partLabels" -}}
{{- $context := index . 0 -}}
{{ include "windhover.partSelector" . }}
app.kubernetes.io/part-of: {{ include "windhover.name" $context }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version }}
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
{{- end -}}

{{/* None of them needs any right on its node. */}}
{{- define "windhover.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 1000
capabilities: { drop: [ALL] }
seccompProfile: {{ toJson .Values.seccompProfile }}
{{- end -}}

{{/* What the parts say to one another with: kept over upgrades, made up once. */}}
{{- define "windhover.token" -}}
{{- if .Values.token -}}
{{- .Values.token -}}
{{- else -}}
{{- $kept := lookup "v1" "Secret" (include "windhover.namespace" .) (printf "%s-token" (include "windhover.fullname" .)) -}}
{{- if $kept -}}{{- index $kept.data "token" | b64dec -}}{{- else -}}{{- randAlphaNum 40 -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* falco.yaml: what is set under `falco`, with what other values say of it. */}}
{{- define "windhover.config" -}}
{{- $config := deepCopy .Values.falco -}}
{{- $_ := unset $config "load_plugins" -}}
{{- if hasKey .Values.falco "load_plugins" -}}{{- $_ := set $config "load_plugins" .Values.falco.load_plugins -}}{{- end -}}
{{- $engine := dict "kind" "modern_ebpf" "modern_ebpf" (dict "buf_size_preset" .Values.driver.modernEbpf.bufSizePreset "cpus_for_each_buffer" .Values.driver.modernEbpf.cpusForEachBuffer) -}}
{{- if not .Values.driver.enabled -}}{{- $engine = dict "kind" "nodriver" -}}{{- end -}}
{{- $_ := set $config "engine" $engine -}}
{{- /* The hub asks sensors how they are. */ -}}
{{- if or .Values.metrics.enabled (include "windhover.hubEnabled" .) -}}
{{- $_ := set $config "metrics" (dict "enabled" true "interval" .Values.metrics.interval "output_rule" .Values.metrics.outputRule "rules_counters_enabled" .Values.metrics.rulesCountersEnabled "resource_utilization_enabled" .Values.metrics.resourceUtilizationEnabled "state_counters_enabled" .Values.metrics.stateCountersEnabled "kernel_event_counters_enabled" .Values.metrics.kernelEventCountersEnabled "kernel_event_counters_per_cpu_enabled" .Values.metrics.kernelEventCountersPerCPUEnabled "libbpf_stats_enabled" .Values.metrics.libbpfStatsEnabled "plugins_metrics_enabled" .Values.metrics.pluginsMetricsEnabled "jemalloc_stats_enabled" .Values.metrics.jemallocStatsEnabled "convert_memory_to_mb" .Values.metrics.convertMemoryToMB "include_empty_values" .Values.metrics.includeEmptyValues) -}}
{{- end -}}
{{- $first := "" -}}
{{- if include "windhover.forwarderEnabled" . -}}
{{- $first = include "windhover.urlOf" (list . (include "windhover.forwarder" .) .Values.falcosidekick.listenPort) -}}
{{- else if include "windhover.responderEnabled" . -}}
{{- $first = include "windhover.urlOf" (list . (include "windhover.responder" .) (index .Values "falco-talon").config.listenPort) -}}
{{- end -}}
{{- if $first -}}
{{- $_ := set $config "json_output" true -}}
{{- $_ := set $config "json_include_output_property" true -}}
{{- $_ := set $config "http_output" (mergeOverwrite (dict "url" $first) (default (dict) .Values.falco.http_output) (dict "enabled" true)) -}}
{{- end -}}
{{- $containers := dict "enabled" (and .Values.collectors.enabled .Values.collectors.containerEngine.enabled) "label_max_len" .Values.collectors.containerEngine.labelMaxLen "engines" (pick .Values.collectors.containerEngine.engines "docker" "podman" "containerd" "cri") -}}
{{- $kubernetes := dict "enabled" (ternary "true" "false" (and .Values.collectors.enabled .Values.collectors.kubernetes.enabled)) -}}
{{- $own := dict "scope" .Values.scope "require_scope" .Values.requireScope "containers" $containers "kubernetes" $kubernetes -}}
{{- $_ := set $config "windhover" (mergeOverwrite $own (default (dict) .Values.falco.windhover)) -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Whether the certificates come from the values. */}}
{{- define "windhover.ownCerts" -}}
{{- if and (not .Values.certs.existingSecret) (or .Values.certs.server.crt .Values.certs.ca.crt) -}}true{{- end -}}
{{- end -}}
{{- define "windhover.ownClientCerts" -}}
{{- if and (not .Values.certs.existingClientSecret) .Values.certs.client.crt -}}true{{- end -}}
{{- end -}}
{{- define "windhover.certsSecret" -}}
{{- if .Values.certs.existingSecret -}}{{ .Values.certs.existingSecret }}{{- else if include "windhover.ownCerts" . -}}{{ include "windhover.fullname" . }}-certs{{- end -}}
{{- end -}}
{{- define "windhover.clientCertsSecret" -}}
{{- if .Values.certs.existingClientSecret -}}{{ .Values.certs.existingClientSecret }}{{- else if include "windhover.ownClientCerts" . -}}{{ include "windhover.fullname" . }}-client-certs{{- end -}}
{{- end -}}

{{- define "windhover.updateStrategy" -}}
{{- $strategy := deepCopy .Values.controller.daemonset.updateStrategy -}}
{{- if and (eq $strategy.type "RollingUpdate") (not $strategy.rollingUpdate) (not .Values.hostNetwork) -}}
{{- $_ := set $strategy "rollingUpdate" (dict "maxSurge" 1 "maxUnavailable" 0) -}}
{{- end -}}
{{- toYaml $strategy -}}
{{- end -}}

{{/* Directories of the engines' sockets: mounted as directories, because a socket is a new file after a restart. */}}
{{- define "windhover.socketDirectories" -}}
{{- $paths := list -}}
{{- if and .Values.collectors.enabled .Values.collectors.containerEngine.enabled -}}
{{- range $kind := list "docker" "podman" "containerd" "cri" -}}
{{- $engine := index $.Values.collectors.containerEngine.engines $kind -}}
{{- if and $engine $engine.enabled -}}
{{- range $socket := $engine.sockets -}}
{{- $directory := dir $socket | replace "/var/run" "/run" -}}
{{- $paths = append $paths (ternary "/run" $directory (hasPrefix "/run/" (printf "%s/" $directory))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (uniq $paths) -}}
{{- end -}}
