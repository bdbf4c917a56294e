{{/* Whole seconds until everything in the pod has left: the service, then the drain, then a margin. */}}
{{- define "consentry.terminationSeconds" -}}
{{- $server := (include "consentry.settings" . | fromYaml).server -}}
{{- $own := ceil (addf $server.drain_delay_s $server.grace_s 5) -}}
{{- $service := ternary .Values.workload.terminationSeconds 0 (eq .Values.mode "sidecar") -}}
{{- add $own $service -}}
{{- end -}}

{{- define "consentry.podTemplate" -}}
metadata:
  labels:
    {{- mustMergeOverwrite (dict) .Values.podLabels (include "consentry.labels" . | fromYaml) | toYaml | nindent 4 }}
  annotations:
    # Settings are read at the start; policies are followed, and restart nothing.
    checksum/config: {{ include "consentry.toml" . | sha256sum }}
    kubectl.kubernetes.io/default-container: {{ ternary (first (pluck "name" (first (.Values.workload.containers | default (list dict))))) "consentry" (eq .Values.mode "sidecar") }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "consentry.name" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "consentry.terminationSeconds" . }}
  securityContext:
    {{- include "consentry.podSecurity" . | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "consentry.selector" $ | nindent 10 }}
          app.kubernetes.io/component: {{ $.Values.mode }}
    {{- end }}
  {{- if eq .Values.mode "sidecar" }}
  # A native sidecar: ready before the service starts, told to leave after the service has.
  initContainers:
    - {{- include "consentry.container" . | nindent 6 }}
  containers:
    {{- range .Values.workload.containers }}
    - {{- include "consentry.caller" (dict "container" . "root" $) | nindent 6 }}
    {{- end }}
  {{- else }}
  containers:
    - {{- include "consentry.container" . | nindent 6 }}
  {{- end }}
  volumes:
    {{- include "consentry.volumes" . | nindent 4 }}
    {{- with .Values.workload.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
