{{- define "kvclef.name" -}}
{{- if contains "kvclef" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-kvclef" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "kvclef.selector" -}}
app.kubernetes.io/name: kvclef
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kvclef.labels" -}}
{{ include "kvclef.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "kvclef.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "kvclef.name" .) }}
{{- end }}

{{- define "kvclef.image" -}}
{{- $repository := required "image.repository: name the image, built from cmd/packaging/docker/Dockerfile" .Values.image.repository }}
{{- if .Values.image.digest }}{{ printf "%s@%s" $repository .Values.image.digest }}{{ else }}{{ printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}{{ end }}
{{- end }}

{{/* What is given, and what the chart knows better. */}}
{{- define "kvclef.config" -}}
{{- $name := include "kvclef.name" . }}
{{- if not .Values.config.chainids }}{{ fail "config.chainids: name the chains to sign for" }}{{ end }}
{{- if not .Values.config.vaults }}{{ fail "config.vaults: name a vault" }}{{ end }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.config.store) }}
{{- fail "replicas: several signers need a shared store, config.store: each would spend the whole of every limit" }}
{{- end }}
{{- if eq (toString .Values.persistence.enabled) "false" }}
{{- fail "persistence.enabled: false is refused: the audit log would be lost with the pod, and a signer does not start without the log that its state knows, so that no pod that is made anew would sign again; remove it" }}
{{- end }}
{{- $secret := required "tls.secret: callers come over the network, so the listener needs a certificate and the authorities of its callers" .Values.tls.secret }}
{{- $host := printf "%s.%s.svc" $name .Release.Namespace }}
{{- $http := dict "enabled" true "addr" "0.0.0.0" "port" (int .Values.port)
  "vhosts" (list $name (printf "%s.%s" $name .Release.Namespace) $host (printf "%s.cluster.local" $host))
  "tls" (dict "cert_file" "/run/tls/tls.crt" "key_file" "/run/tls/tls.key" "client_ca_file" "/run/tls/ca.crt") }}
{{- $ours := dict "datadir" "/var/lib/kvclef/data"
  "listeners" (dict "ipc" (dict "disabled" true) "http" $http)
  "metrics" (dict "enabled" true "addr" "0.0.0.0" "port" (int .Values.metrics.port) "plain" true)
  "log" (dict "format" "json") }}
{{- mergeOverwrite $ours (deepCopy .Values.config) | toYaml }}
{{- end }}
