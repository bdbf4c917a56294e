{{/* A value of YAML as TOML writes it. Scalars and lists of them are the same in JSON. */}}
{{- define "consentry.toml.value" -}}
{{- if kindIs "map" . -}}
{ {{- $first := true }}{{ range $key, $value := . }}{{ if not (kindIs "invalid" $value) }}
{{- if not $first }}, {{ end }}{{ $first = false }} {{ $key | quote }} = {{ include "consentry.toml.value" $value }}
{{- end }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{ range $index, $value := . }}{{ if $index }}, {{ end }}{{ include "consentry.toml.value" $value }}{{ end }}]
{{- else -}}
{{ toRawJson . }}
{{- end -}}
{{- end -}}

{{/* The settings of this release: the chart's, then those of `config`. */}}
{{- define "consentry.settings" -}}
{{- $bundle := .Values.policies.bundle -}}
{{- $policies := dict "path" "/etc/consentry/policies" -}}
{{- if $bundle.url -}}
{{- $policies = dict "url" $bundle.url "trusted_keys" "/etc/consentry/keys/jwks.json" -}}
{{- end -}}
{{- $ledger := dict "kind" .Values.ledger.kind "serves_feed" (eq .Values.mode "node") -}}
{{- if eq .Values.ledger.kind "upstream" -}}
{{- $_ := set $ledger "upstream" .Values.ledger.upstream -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $ledger "upstream_ca" "/etc/consentry/tls/ca.crt" -}}
{{- $_ := set $ledger "upstream_certificate" "/etc/consentry/tls/tls.crt" -}}
{{- $_ := set $ledger "upstream_key" "/etc/consentry/tls/tls.key" -}}
{{- end -}}
{{- end -}}
{{- $server := dict "http" "0.0.0.0:8380" "health" "0.0.0.0:8381" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- /* The service has left when the sidecar is told to: nobody has to notice first. */ -}}
{{- $_ := set $server "listen" (list "unix:/run/consentry/consentry.sock") -}}
{{- $_ := set $server "socket_mode" 432 -}}{{- /* 0660: the pod's group */ -}}
{{- $_ := set $server "drain_delay_s" 0 -}}
{{- $_ := set $server "grace_s" 5 -}}
{{- else -}}
{{- $_ := set $server "listen" (list "0.0.0.0:7470") -}}
{{- $_ := set $server "insecure_off_loopback" .Values.insecureOffLoopback -}}
{{- $_ := set $server "drain_delay_s" 5 -}}
{{- $_ := set $server "grace_s" 10 -}}
{{- end -}}
{{- if eq .Values.mode "node" -}}
{{- $_ := set $server "stream_limit" 512 -}}{{- /* a thread for each sidecar that follows */ -}}
{{- end -}}
{{- $state := dict "path" "/var/lib/consentry" -}}
{{- $ours := dict "policies" $policies "state" $state "ledger" $ledger "server" $server -}}
{{- if and .Values.tls.secretName (ne .Values.mode "sidecar") -}}
{{- $tls := dict "certificate" "/etc/consentry/tls/tls.crt" "key" "/etc/consentry/tls/tls.key" -}}
{{- $_ := set $tls "client_authorities" "/etc/consentry/tls/ca.crt" -}}
{{- $_ := set $ours "tls" $tls -}}
{{- end -}}
{{- mustMergeOverwrite $ours (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{- define "consentry.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ . | quote }}{{ end -}}
{{- end -}}

{{/* In TOML what is no table comes before the first of them. */}}
{{- define "consentry.toml" -}}
{{- $settings := include "consentry.settings" . | fromYaml -}}
{{- range $key, $value := $settings }}
{{- if kindIs "slice" $value }}
{{ $key }} = {{ include "consentry.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $section, $keys := $settings }}
{{- if kindIs "map" $keys }}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{- if not (kindIs "invalid" $value) }}
{{ include "consentry.toml.key" $key }} = {{ include "consentry.toml.value" $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end -}}
{{- end -}}
