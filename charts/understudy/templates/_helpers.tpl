{{/*
Names, labels and the image. Names are fixed: a cluster has one stage, and a second release is refused by Helm since the
cluster roles belong to the first. A component is given as (dict "root" $ "name" "scheduler").
*/}}

{{- define "understudy.labels" -}}
{{ include "understudy.selector" . }}
app.kubernetes.io/part-of: understudy
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "understudy.selector" -}}
app.kubernetes.io/name: understudy
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "understudy.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Those that have rights, and so a service account, each. */}}
{{- define "understudy.components" -}}
controllers scheduler operator hooks {{- if .Values.nodeAgent.enabled }} node-agent{{ end }} {{- if .Values.serviceProxy.enabled }} service-proxy{{ end }}
{{- end }}

{{/* Those that work on the node's own network, wherever the others are. */}}
{{- define "understudy.needsNode" -}}
{{- if has .name (list "node-agent" "service-proxy" "node-dns") -}}true{{- end -}}
{{- end }}

{{/* Cluster DNS is found by a Service, hence on the pod network; all others are on the node's if they may. */}}
{{- define "understudy.onHost" -}}
{{- if and (ne .name "dns") (or .root.Values.hostNetwork (include "understudy.needsNode" .)) -}}true{{- end -}}
{{- end }}

{{/* The loopback address where the kubelet, on the same network, can still probe it and nobody scrapes it. */}}
{{- define "understudy.loopback" -}}
{{- if and (include "understudy.onHost" .) (not .root.Values.metrics.serviceMonitor.enabled) -}}true{{- end -}}
{{- end }}
