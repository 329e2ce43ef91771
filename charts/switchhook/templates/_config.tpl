{{/* The configuration file of each service: it has what the service needs, and no secret that it does not. */}}

{{- define "switchhook.secretsFolder" -}}/etc/switchhook/secrets{{- end -}}

{{/* Entries of [[pbx]] or [[endpoint]] as JSON: (dict "root" $ "kind" "pbx" "service" "monitor"). */}}
{{- define "switchhook.entries" -}}
{{- $entries := list -}}
{{- $service := .service -}}
{{- $kind := .kind -}}
{{- range index .root.Values .kind -}}
{{- $entry := omit . "existingSecret" -}}
{{- $folder := printf "%s/%s-%s" (include "switchhook.secretsFolder" $) $kind .name -}}
{{- range $field, $key := (default dict (default dict .existingSecret).keys) -}}
{{- $isFile := has $field (list "ca_file" "client_cert" "client_key") -}}
{{- $_ := set $entry (ternary $field (printf "%s_file" $field) $isFile) (printf "%s/%s" $folder $field) -}}
{{- end -}}
{{- if and (eq $kind "pbx") (eq $service "dispatcher") -}}
{{- /* It knows the names alone, but a PBX without a secret is a mistake. */ -}}
{{- $entry = dict "name" .name "url" .url "client_id" .client_id "client_secret" "not given to the dispatcher" -}}
{{- else if and (eq $kind "pbx") (eq $service "monitor") -}}
{{- $entry = omit $entry "recorder_client_id" "recorder_client_secret" "recorder_client_secret_file" -}}
{{- end -}}
{{- $entries = append $entries $entry -}}
{{- end -}}
{{- toJson $entries -}}
{{- end -}}

{{/* The whole file: (dict "root" $ "service" "dispatcher"). */}}
{{- define "switchhook.toml" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- $secrets := include "switchhook.secretsFolder" . -}}
{{- $name := include "switchhook.fullname" $root -}}
{{- $isAll := eq $service "all" -}}
{{- $file := dict "data_dir" "/var/lib/switchhook" -}}
{{- range $table := list "monitor" "recorder" "fileserver" "telemetry" "storage" -}}
{{- $_ := set $file $table (deepCopy (default dict (index $root.Values.config $table))) -}}
{{- end -}}
{{- $_ := set $file "admin" (dict "listen" ":9464") -}}
{{- if $root.Values.database.existingSecret.name -}}
{{- $_ := set $file "database" (dict "url_file" (printf "%s/database/url" $secrets)) -}}
{{- else -}}
{{- $_ := set $file "database" (dict "url" (default "sqlite:" $root.Values.database.url)) -}}
{{- end -}}
{{- $_ := set $file.fileserver "listen" ":5001" -}}
{{- if ne $service "monitor" -}}
{{- $_ := set $file.fileserver "link_secret_file" (printf "%s/links/secret" $secrets) -}}
{{- if $root.Values.admin.existingSecret.name -}}
{{- $_ := set $file.admin "token_file" (printf "%s/admin/token" $secrets) -}}
{{- end -}}
{{- end -}}
{{- if has $service (list "all" "recorder" "fileserver") -}}
{{- range $field, $key := default dict $root.Values.storage.existingSecret.keys -}}
{{- $_ := set $file.storage (printf "%s_file" $field) (printf "%s/storage/%s" $secrets $field) -}}
{{- end -}}
{{- with $root.Values.storage.encryption.ids -}}
{{- $keys := dict -}}
{{- range . -}}{{- $_ := set $keys . (printf "%s/recordings/%s" $secrets .) -}}{{- end -}}
{{- $_ := set $file.storage "encryption_keys" $keys -}}
{{- $_ := set $file.storage "encryption_key" (default (first .) $root.Values.storage.encryption.current) -}}
{{- end -}}
{{- end -}}
{{- if has $service (list "all" "recorder" "fileserver") -}}
{{- $old := list -}}
{{- range $place, $_ := $root.Values.links.oldSecrets -}}{{- $old = append $old (printf "%s/links/old-%d" $secrets $place) -}}{{- end -}}
{{- if $old -}}{{- $_ := set $file.fileserver "old_link_secret_files" $old -}}{{- end -}}
{{- end -}}
{{- if not $file.fileserver.public_url -}}
{{- /* Nobody but the pod itself reaches the default address. */ -}}
{{- $_ := set $file.recorder "verify_links" false -}}
{{- end -}}
{{- if has $service (list "all" "dispatcher") -}}
{{- $_ := set $file "dispatcher" (deepCopy (default dict $root.Values.config.dispatcher)) -}}
{{- $_ := set $file "endpoint" (include "switchhook.entries" (dict "root" $root "kind" "endpoint" "service" $service) | fromJsonArray) -}}
{{- end -}}
{{- if ne $service "fileserver" -}}
{{- $_ := set $file "pbx" (include "switchhook.entries" (dict "root" $root "kind" "pbx" "service" $service) | fromJsonArray) -}}
{{- end -}}
{{- if not $isAll -}}
{{- $sink := printf "%s-dispatcher:50051" $name -}}
{{- $sinks := ternary (list $sink (printf "%s-recorder:50051" $name)) (list $sink) $root.Values.recorder.enabled -}}
{{- $_ := set $file.monitor "sinks" $sinks -}}
{{- $_ := set $file.recorder "sinks" (list $sink) -}}
{{- $_ := set $file.recorder "listen" ":50051" -}}
{{- if eq $service "dispatcher" -}}{{- $_ := set $file.dispatcher "listen" ":50051" -}}{{- end -}}
{{- if $root.Values.tls.enabled -}}
{{- $_ := set $file "rpc" (dict "tls_cert" "/etc/switchhook/tls/tls.crt" "tls_key" "/etc/switchhook/tls/tls.key" "tls_ca" "/etc/switchhook/tls/ca.crt") -}}
{{- end -}}
{{- end -}}
{{- toToml $file -}}
{{- end -}}

{{/* The Secrets that the service's file names, as sources of one volume. */}}
{{- define "switchhook.secretSources" -}}
{{- $root := .root -}}
{{- $service := .service -}}
{{- with $root.Values.database.existingSecret }}
- secret: {name: {{ .name }}, items: [{key: {{ default "url" .key }}, path: database/url}]}
{{- end }}
{{- if ne $service "monitor" }}
- secret: {name: {{ include "switchhook.linksSecret" $root }}, items: [{key: {{ default "secret" $root.Values.links.existingSecret.key }}, path: links/secret}]}
{{- end }}
{{- if has $service (list "all" "recorder" "fileserver") }}
{{- range $place, $old := $root.Values.links.oldSecrets }}
- secret: {name: {{ $old.name }}, items: [{key: {{ default "secret" $old.key }}, path: links/old-{{ $place }}}]}
{{- end }}
{{- range $field, $key := default dict $root.Values.storage.existingSecret.keys }}
- secret: {name: {{ $root.Values.storage.existingSecret.name }}, items: [{key: {{ $key }}, path: storage/{{ $field }}}]}
{{- end }}
{{- range $root.Values.storage.encryption.ids }}
- secret: {name: {{ $root.Values.storage.encryption.existingSecret }}, items: [{key: {{ . | quote }}, path: recordings/{{ . }}}]}
{{- end }}
{{- end }}
{{- if ne $service "monitor" }}
{{- with $root.Values.admin.existingSecret }}
- secret: {name: {{ .name }}, items: [{key: {{ default "token" .key }}, path: admin/token}]}
{{- end }}
{{- end }}
{{- $kinds := get (dict "all" (list "pbx" "endpoint") "monitor" (list "pbx") "recorder" (list "pbx") "dispatcher" (list "endpoint")) $service }}
{{- range $kind := default list $kinds }}
{{- range index $root.Values $kind }}
{{- $entry := . }}
{{- range $field, $key := (default dict (default dict .existingSecret).keys) }}
{{- if not (and (eq $service "monitor") (eq $field "recorder_client_secret")) }}
- secret: {name: {{ $entry.existingSecret.name }}, items: [{key: {{ $key }}, path: {{ $kind }}-{{ $entry.name }}/{{ $field }}}]}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
