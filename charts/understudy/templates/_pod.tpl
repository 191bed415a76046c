{{/* The parts every pod of ours has in common. */}}

{{- define "understudy.podCommon" -}}
serviceAccountName: understudy-{{ .name }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  {{- if include "understudy.pki.on" . }}
  fsGroup: 65532
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
  {{- if eq .name "dns" }}
  # Port 53 without root and without a capability.
  sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]
  {{- end }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
# The node's own resolver: ours may be what the cluster's DNS waits for.
dnsPolicy: Default
hostNetwork: {{ eq (include "understudy.onHost" .) "true" }}
enableServiceLinks: false
{{- end }}

{{- define "understudy.containerCommon" -}}
image: {{ include "understudy.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "understudy.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- with .root.Values.apiServer.host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ . | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ $.root.Values.apiServer.port | quote }}
{{- end }}
{{- end }}

{{/* The arguments that every `understudy run` gets, its health port among them. */}}
{{- define "understudy.runArgs" -}}
- run
- {{ .name }}
- --health-address={{ if include "understudy.loopback" . }}127.0.0.1{{ else }}$(POD_IP){{ end }}:{{ .values.port }}
- --log-format={{ .root.Values.log.format }}
- --log-level={{ .root.Values.log.level }}
{{- end }}

{{- define "understudy.ports" -}}
ports:
  - {name: health, containerPort: {{ .values.port }}, protocol: TCP}
startupProbe:
  httpGet: {{ include "understudy.probe" (dict "context" . "path" "/readyz") }}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: {{ include "understudy.probe" (dict "context" . "path" "/livez") }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {{ include "understudy.probe" (dict "context" . "path" "/readyz") }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
resources: {{ toJson .values.resources }}
{{- end }}

{{- define "understudy.probe" -}}
{ {{- if include "understudy.loopback" .context }}host: 127.0.0.1, {{ end }}path: {{ .path }}, port: {{ .context.values.port }}}
{{- end }}
