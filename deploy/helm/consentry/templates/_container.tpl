{{- define "consentry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "consentry.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The container that runs the program: a native sidecar in sidecar mode, else the pod's only one. */}}
{{- define "consentry.container" -}}
name: consentry
image: {{ include "consentry.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if eq .Values.mode "sidecar" }}
restartPolicy: Always
{{- end }}
args: [serve, --config=/etc/consentry/consentry.toml]
{{- if eq .Values.ledger.kind "postgres" }}
env:
  - name: CONSENTRY_LEDGER__CONNINFO
    valueFrom:
      secretKeyRef:
        name: {{ .Values.ledger.conninfoSecret.name }}
        key: {{ .Values.ledger.conninfoSecret.key }}
{{- end }}
ports:
  {{- if ne .Values.mode "sidecar" }}
  - {name: grpc, containerPort: 7470}
  {{- end }}
  - {name: http, containerPort: 8380}
  - {name: grpc-health, containerPort: 8381}
startupProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
# Not readiness: a restart mends neither policies nor a ledger that cannot be read.
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 2
  failureThreshold: 3
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- include "consentry.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: consentry-config, mountPath: /etc/consentry/consentry.toml, subPath: consentry.toml, readOnly: true}
  {{- if .Values.policies.bundle.url }}
  - {name: consentry-keys, mountPath: /etc/consentry/keys, readOnly: true}
  {{- else }}
  - {name: consentry-policies, mountPath: /etc/consentry/policies, readOnly: true}
  {{- end }}
  {{- if .Values.tls.secretName }}
  - {name: consentry-tls, mountPath: /etc/consentry/tls, readOnly: true}
  {{- end }}
  - {name: consentry-state, mountPath: /var/lib/consentry}
  - {name: consentry-tmp, mountPath: /tmp}
  {{- if eq .Values.mode "sidecar" }}
  - {name: consentry-socket, mountPath: /run/consentry}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The volumes of that container, but for the state on a claim. */}}
{{- define "consentry.volumes" -}}
- name: consentry-config
  configMap:
    name: {{ include "consentry.name" . }}-config
{{- if .Values.policies.bundle.url }}
- name: consentry-keys
  configMap:
    name: {{ include "consentry.name" . }}-keys
{{- else if .Values.policies.configMap }}
- name: consentry-policies
  configMap:
    name: {{ .Values.policies.configMap }}
{{- else }}
- name: consentry-policies
  configMap:
    name: {{ include "consentry.name" . }}-policies
    items:
      {{- range $path, $_ := .Values.policies.files }}
      - {key: {{ $path | replace "/" "__" | quote }}, path: {{ $path | quote }}}
      {{- end }}
{{- end }}
{{- with .Values.tls.secretName }}
- name: consentry-tls
  secret:
    secretName: {{ . }}
    defaultMode: 288  # 0440
{{- end }}
{{- if not .Values.state.persistent }}
- name: consentry-state
  emptyDir:
    sizeLimit: 2Gi
{{- end }}
- name: consentry-tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if eq .Values.mode "sidecar" }}
- name: consentry-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What makes a container of yours one that asks: the socket, and where it is. */}}
{{- define "consentry.caller" -}}
{{- $caller := deepCopy .container -}}
{{- $security := include "consentry.containerSecurity" .root | fromYaml -}}
{{- $_ := set $caller "securityContext" (mustMergeOverwrite $security ($caller.securityContext | default dict)) -}}
{{- $target := dict "name" "CONSENTRY_TARGET" "value" "unix:/run/consentry/consentry.sock" -}}
{{- $_ := set $caller "env" (append ($caller.env | default list) $target) -}}
{{- $socket := dict "name" "consentry-socket" "mountPath" "/run/consentry" "readOnly" true -}}
{{- $_ := set $caller "volumeMounts" (append ($caller.volumeMounts | default list) $socket) -}}
{{- toYaml $caller -}}
{{- end -}}
