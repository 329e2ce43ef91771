{{/* The pod of a service: (dict "root" $ "service" "dispatcher"). */}}

{{- define "switchhook.volumes" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $own := index $root.Values $service -}}
- name: config
  secret: {secretName: {{ include "switchhook.fullname" $root }}-{{ $service }}, defaultMode: 0440}
{{- with include "switchhook.secretSources" . | trim }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- if not (include "switchhook.hasVolume" .) }}
- name: data
  emptyDir: {sizeLimit: {{ default "64Mi" $own.workSize }}}
{{- end }}
{{- if and (has $service (list "recorder" "fileserver")) (include "switchhook.hasRecordingsVolume" $root) }}
- name: recordings
  persistentVolumeClaim: {claimName: {{ default (printf "%s-recordings" (include "switchhook.fullname" $root)) $root.Values.recordings.existingClaim }}}
{{- end }}
{{- if and $root.Values.tls.enabled (ne $service "fileserver") }}
- name: tls
  secret: {secretName: {{ include "switchhook.tlsSecret" $root }}, defaultMode: 0440}
{{- end }}
{{- with $own.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "switchhook.volumeMounts" -}}
{{- $root := .root -}}
{{- $service := .service -}}
- {name: config, mountPath: /etc/switchhook/config, readOnly: true}
{{- if include "switchhook.secretSources" . | trim }}
- {name: secrets, mountPath: {{ include "switchhook.secretsFolder" . }}, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /var/lib/switchhook}
{{- if and (has $service (list "recorder" "fileserver")) (include "switchhook.hasRecordingsVolume" $root) }}
- {name: recordings, mountPath: /var/lib/switchhook/recordings{{ if eq $service "fileserver" }}, readOnly: true{{ end }}}
{{- end }}
{{- if and $root.Values.tls.enabled (ne $service "fileserver") }}
- {name: tls, mountPath: /etc/switchhook/tls, readOnly: true}
{{- end }}
{{- with (index $root.Values $service).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "switchhook.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
{{- if and (has .service (list "dispatcher" "recorder")) (not .root.Values.tls.enabled) }}
  grpc: {port: 50051}
{{- else }}
  httpGet: {path: /readyz, port: admin}
{{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{- define "switchhook.ports" -}}
- {name: admin, containerPort: 9464}
{{- if has .service (list "dispatcher" "recorder") }}
- {name: grpc, containerPort: 50051}
{{- end }}
{{- if has .service (list "fileserver" "all") }}
- {name: http, containerPort: 5001}
{{- end }}
{{- end -}}

{{- define "switchhook.placement" -}}
{{- $own := .own -}}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
{{- if $own.affinity }}
  {{- toYaml $own.affinity | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "switchhook.selector" . | nindent 14 }}
{{- end }}
topologySpreadConstraints:
{{- if $own.topologySpreadConstraints }}
  {{- toYaml $own.topologySpreadConstraints | nindent 2 }}
{{- else }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "switchhook.selector" . | nindent 8 }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* What every pod of the chart has. */}}
{{- define "switchhook.podBasics" -}}
serviceAccountName: {{ include "switchhook.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "switchhook.pod" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $own := index $root.Values $service -}}
metadata:
  labels:
    {{- include "switchhook.labels" . | nindent 4 }}
    {{- with $own.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "switchhook.toml" . | sha256sum }}
    {{- if $root.Values.links.secret }}
    checksum/links: {{ $root.Values.links.secret | sha256sum }}
    {{- end }}
    {{- with $own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "switchhook.podBasics" $root | nindent 2 }}
  terminationGracePeriodSeconds: {{ $own.terminationGracePeriodSeconds }}
  {{- include "switchhook.placement" (dict "root" $root "service" $service "own" $own) | nindent 2 }}
  containers:
    - name: {{ $service }}
      image: {{ include "switchhook.image" . }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [run{{ if ne $service "all" }}, {{ $service }}{{ end }}]
      env:
        - {name: SWITCHHOOK_CONFIG, value: /etc/switchhook/config/switchhook.toml}
        {{- with $own.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        {{- include "switchhook.ports" . | nindent 8 }}
      {{- include "switchhook.probes" . | nindent 6 }}
      {{- if $own.preStopSeconds }}
      lifecycle:
        preStop:
          exec: {command: [python, -c, "import time; time.sleep({{ $own.preStopSeconds }})"]}
      {{- end }}
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      securityContext:
        {{- toYaml $root.Values.securityContext | nindent 8 }}
      volumeMounts:
        {{- include "switchhook.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "switchhook.volumes" . | nindent 4 }}
{{- end -}}
