{{/*
A Deployment of replicas that take part in an election, and its template. Upgrades go one replica at a time and add none:
on the host network two of one component cannot share a node, so there may be no room for another.
*/}}

{{- define "understudy.loop" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: understudy-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "understudy.labels" . | nindent 4 }}
spec:
  replicas: {{ .values.replicas }}
  revisionHistoryLimit: 3
  minReadySeconds: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 1, maxSurge: 0}
  selector:
    matchLabels: {{- include "understudy.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "understudy.labels" . | nindent 8 }}
    spec: {{- include "understudy.loopPod" . | nindent 6 }}
{{- end }}

{{- define "understudy.loopPod" -}}
{{ include "understudy.podCommon" . }}
priorityClassName: system-cluster-critical
terminationGracePeriodSeconds: 30
tolerations: {{- include "understudy.tolerations" . | nindent 2 }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "understudy.selector" $ | nindent 8 }}
  {{- end }}
{{- include "understudy.pki.pod" . }}
{{- with .values.pluginConfigMap }}
volumes:
  - name: plugins
    configMap: {name: {{ . }}}
{{- end }}
containers:
  - name: {{ .name }}
    {{- include "understudy.containerCommon" . | nindent 4 }}
    args:
      {{- include "understudy.runArgs" . | nindent 6 }}
      {{- range .args }}
      - {{ . | quote }}
      {{- end }}
    env: {{- include "understudy.env" . | nindent 6 }}
    {{- include "understudy.ports" . | nindent 4 }}
    {{- if include "understudy.pki.on" . }}
    volumeMounts:
      - {name: pki, mountPath: /pki, readOnly: true}
    {{- end }}
    {{- if .values.pluginConfigMap }}
    volumeMounts:
      - {name: plugins, mountPath: /plugins, readOnly: true}
    {{- end }}
{{- end }}

{{/*
A fresh cluster's nodes are not ready until there is a network. A node that dies keeps its replica as long as any other pod:
the other one leads meanwhile.
*/}}
{{- define "understudy.tolerations" -}}
- {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
- {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoSchedule}
- {key: node.kubernetes.io/network-unavailable, operator: Exists, effect: NoSchedule}
- {key: node.cloudprovider.kubernetes.io/uninitialized, operator: Exists, effect: NoSchedule}
- {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
- {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
{{- end }}

{{/* Drains go one replica at a time; with one replica a drain is not held up, upstream leads meanwhile. */}}
{{- define "understudy.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: understudy-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "understudy.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "understudy.selector" . | nindent 6 }}
{{- end }}
