{{/* Names, labels, images. */}}

{{- define "switchhook.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "switchhook.fullname" -}}
{{- $name := include "switchhook.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels of a part: (dict "root" $ "service" "dispatcher"). */}}
{{- define "switchhook.selector" -}}
app.kubernetes.io/name: {{ include "switchhook.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .service }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "switchhook.labels" -}}
{{ include "switchhook.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "switchhook.image" -}}
{{- $image := .root.Values.image -}}
{{- $name := printf "%s-%s:%s" $image.repository .service (default .root.Chart.AppVersion $image.tag) -}}
{{- if $image.registry -}}{{- printf "%s/%s" $image.registry $name -}}{{- else -}}{{- $name -}}{{- end -}}
{{- end -}}

{{- define "switchhook.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{- include "switchhook.fullname" . -}}{{- else -}}{{- default "default" .Values.serviceAccount.name -}}{{- end -}}
{{- end -}}

{{/* The services that run in pods of their own, as a JSON list. */}}
{{- define "switchhook.services" -}}
{{- if .Values.embedded -}}
["all"]
{{- else -}}
{{- $services := list -}}
{{- if .Values.pbx -}}{{- $services = append $services "monitor" -}}{{- end -}}
{{- $services = append $services "dispatcher" -}}
{{- if .Values.recorder.enabled -}}{{- $services = concat $services (list "recorder" "fileserver") -}}{{- end -}}
{{- toJson $services -}}
{{- end -}}
{{- end -}}

{{/* "true" with PostgreSQL, else empty. */}}
{{- define "switchhook.isPostgres" -}}
{{- if or .Values.database.url .Values.database.existingSecret.name -}}true{{- end -}}
{{- end -}}

{{/* "true" when the service keeps something on a volume of its own, else empty. */}}
{{- define "switchhook.hasVolume" -}}
{{- if or (eq .service "all") (not (include "switchhook.isPostgres" .root)) -}}true{{- end -}}
{{- end -}}

{{/* "true" when MP3 files are on the shared volume, else empty. */}}
{{- define "switchhook.hasRecordingsVolume" -}}
{{- $storage := default dict .Values.config.storage -}}
{{- if and (not .Values.embedded) .Values.recorder.enabled (not $storage.url) -}}true{{- end -}}
{{- end -}}

{{- define "switchhook.linksSecret" -}}
{{- default (printf "%s-links" (include "switchhook.fullname" .)) .Values.links.existingSecret.name -}}
{{- end -}}

{{- define "switchhook.tlsSecret" -}}
{{- default (printf "%s-tls" (include "switchhook.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}
