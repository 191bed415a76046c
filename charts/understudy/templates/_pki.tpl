{{/*
The cluster's keys for the controllers: from a Secret, or from files of the control-plane nodes. There ca.key and sa.key are
root's, and the controllers are not root: a first container, root without any capability, copies the three files into memory,
where only the pod's group may read them.
*/}}

{{- define "understudy.pki.on" -}}
{{- with (.values).pki }}{{ if or .hostPath .secret }}true{{ end }}{{ end }}
{{- end }}

{{- define "understudy.pki.pod" -}}
{{- if include "understudy.pki.on" . }}
{{- $pki := .values.pki }}
{{- if $pki.hostPath }}
nodeSelector: {node-role.kubernetes.io/control-plane: ""}
initContainers:
  - name: pki
    image: {{ include "understudy.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    securityContext:
      runAsNonRoot: false
      runAsUser: 0
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    command: [install, --mode=0440, --target-directory=/pki, /node/ca.crt, /node/ca.key, /node/sa.key]
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    volumeMounts:
      - {name: pki, mountPath: /pki}
      {{- range $file := list "ca.crt" "ca.key" "sa.key" }}
      - {name: {{ replace "." "-" $file }}, mountPath: /node/{{ $file }}, readOnly: true}
      {{- end }}
volumes:
  - name: pki
    emptyDir: {medium: Memory, sizeLimit: 1Mi}
  {{- range $file := list "ca.crt" "ca.key" "sa.key" }}
  - name: {{ replace "." "-" $file }}
    hostPath: {path: {{ $pki.hostPath }}/{{ $file }}, type: File}
  {{- end }}
{{- else }}
volumes:
  - name: pki
    secret:
      secretName: {{ $pki.secret }}
      defaultMode: 0440
      items: [{key: ca.crt, path: ca.crt}, {key: ca.key, path: ca.key}, {key: sa.key, path: sa.key}]
{{- end }}
{{- end }}
{{- end }}
