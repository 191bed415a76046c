{{/*
The pod of a hook. Helm waits for a pod as it does for a Job, and a pod needs no Job controller: that may be what has just
been taken over or given back. It tries again until its deadline.
*/}}

{{- define "understudy.hookPod" -}}
{{ include "understudy.podCommon" . }}
restartPolicy: OnFailure
activeDeadlineSeconds: {{ .deadline }}
terminationGracePeriodSeconds: 5
tolerations: {{- include "understudy.tolerations" . | nindent 2 }}
{{- end }}

{{- define "understudy.hookContainer" -}}
{{ include "understudy.containerCommon" . }}
env: {{- include "understudy.env" . | nindent 2 }}
resources:
  requests: {cpu: 20m, memory: 64Mi}
  limits: {memory: 256Mi}
{{- end }}

{{/* After everything is deleted: the account and rights for that are hooks too, made before the pod and removed after it. */}}
{{- define "understudy.postDelete" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end }}
