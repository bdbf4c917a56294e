{{- define "consentry.name" -}}
{{- if contains "consentry" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-consentry" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "consentry.selector" -}}
app.kubernetes.io/name: consentry
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "consentry.labels" -}}
{{ include "consentry.selector" . }}
app.kubernetes.io/component: {{ .Values.mode }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "consentry.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What cannot be right, said in a sentence. Shapes and words are the schema's matter. */}}
{{- define "consentry.refuse" -}}
{{- $ledger := .Values.ledger -}}
{{- $sources := list -}}
{{- if .Values.policies.files }}{{ $sources = append $sources "files" }}{{ end -}}
{{- if .Values.policies.configMap }}{{ $sources = append $sources "configMap" }}{{ end -}}
{{- if .Values.policies.bundle.url }}{{ $sources = append $sources "bundle" }}{{ end -}}
{{- if ne (len $sources) 1 -}}
{{- fail "policies: give one of files, configMap and bundle.url" -}}
{{- end -}}
{{- if and .Values.policies.bundle.url (not .Values.policies.bundle.trustedKeys) -}}
{{- fail "policies.bundle: a bundle needs to know whom to trust: trustedKeys" -}}
{{- end -}}
{{- if and (eq $ledger.kind "upstream") (not $ledger.upstream) -}}
{{- fail "ledger.upstream: name the ledger nodes, or take another ledger.kind" -}}
{{- end -}}
{{- if and (eq $ledger.kind "upstream") (eq .Values.mode "node") -}}
{{- fail "ledger.kind: a node owns a ledger: postgres or sqlite" -}}
{{- end -}}
{{- if and (eq $ledger.kind "postgres") (not $ledger.conninfoSecret.name) -}}
{{- fail "ledger.conninfoSecret.name: name the Secret that tells how to reach PostgreSQL" -}}
{{- end -}}
{{- if and $ledger.migrate.enabled (not $ledger.migrate.conninfoSecret.name) -}}
{{- fail "ledger.migrate.conninfoSecret.name: name the Secret of the role that owns the schema" -}}
{{- end -}}
{{- if and (eq $ledger.kind "sqlite") (gt (int .Values.replicas) 1) -}}
{{- fail "replicas: a ledger of its own belongs to one process; share one with postgres or upstream" -}}
{{- end -}}
{{- if and (eq $ledger.kind "sqlite") (not .Values.state.persistent) -}}
{{- fail "state.persistent: consent in an own ledger would go away with its pod" -}}
{{- end -}}
{{- $isSecured := and .Values.tls.secretName .Values.config.identities -}}
{{- if and (ne .Values.mode "sidecar") (not $isSecured) (not .Values.insecureOffLoopback) -}}
{{- fail "tls.secretName: the gRPC port needs TLS and config.identities, or the word insecureOffLoopback" -}}
{{- end -}}
{{- end -}}
