{{/*
A DaemonSet that works on the nodes themselves: on every node, whatever its taints, in its network, with NET_ADMIN and nothing
else. Root, because Kubernetes gives added capabilities to no other user; not even what root may do with others' files.
Given as a component with "args" (its own, behind the common ones), "grace" and optionally "volumes" and "mounts".
*/}}

{{- define "understudy.onNodes" -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: understudy-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "understudy.labels" . | nindent 4 }}
spec:
  revisionHistoryLimit: 3
  updateStrategy:
    rollingUpdate: {maxUnavailable: 1}
  selector:
    matchLabels: {{- include "understudy.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "understudy.labels" . | nindent 8 }}
    spec:
      {{- include "understudy.podCommon" . | nindent 6 }}
      priorityClassName: system-node-critical
      terminationGracePeriodSeconds: {{ .grace }}
      nodeSelector: {kubernetes.io/os: linux}
      tolerations: [{operator: Exists}]
      containers:
        - name: {{ .name }}
          image: {{ include "understudy.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          securityContext:
            runAsNonRoot: false
            runAsUser: 0
            runAsGroup: 0
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL], add: [NET_ADMIN]}
          args:
            {{- include "understudy.runArgs" . | nindent 12 }}
            - --node=$(NODE_NAME)
            {{- with .root.Values.network.clusterCIDRs }}
            - --cluster-cidr={{ join "," . }}
            {{- end }}
            {{- range .args }}
            - {{ . | quote }}
            {{- end }}
          env: {{- include "understudy.env" . | nindent 12 }}
          {{- include "understudy.ports" . | nindent 10 }}
          {{- with .mounts }}
          volumeMounts: {{- toYaml . | nindent 12 }}
          {{- end }}
      {{- with .volumes }}
      volumes: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
