{{/* What cannot work is refused here, with a sentence that says what to do. */}}

{{- define "switchhook.validate" -}}
{{- include "switchhook.validateReplicas" . -}}
{{- include "switchhook.validateEntries" . -}}
{{- include "switchhook.validateParts" . -}}
{{- include "switchhook.validateConfig" . -}}
{{- end -}}

{{- define "switchhook.validateReplicas" -}}
{{- $values := .Values -}}
{{- $isPostgres := include "switchhook.isPostgres" . -}}
{{- range $service := list "monitor" "dispatcher" "recorder" "fileserver" -}}
{{- $own := index $values $service -}}
{{- $keda := default dict $own.keda -}}
{{- $scales := or $own.autoscaling.enabled $keda.enabled -}}
{{- if and $own.autoscaling.enabled $keda.enabled -}}
{{- fail (printf "%s: autoscaling and keda would both scale it: enable one of them" $service) -}}
{{- end -}}
{{- if and $values.embedded (or $scales (gt (int $own.replicas) 1)) -}}
{{- fail (printf "%s.replicas: `embedded` runs everything in one pod, which cannot be scaled: set `embedded: false` and use PostgreSQL" $service) -}}
{{- end -}}
{{- if and (not $isPostgres) (or $scales (gt (int $own.replicas) 1)) -}}
{{- fail (printf "%s.replicas: SQLite is a file that one process has to itself, so there can be one %s: set database.existingSecret (PostgreSQL), or replicas: 1" $service $service) -}}
{{- end -}}
{{- end -}}
{{- range $service := ternary (list "all") (list "monitor" "dispatcher" "recorder" "fileserver") $values.embedded -}}
{{- $own := index $values $service -}}
{{- if lt (int $own.terminationGracePeriodSeconds) (add (int $own.preStopSeconds) 30) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds: must be %d at least: preStopSeconds, and 30 in which what is under way ends" $service (add (int $own.preStopSeconds) 30)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "switchhook.validateEntries" -}}
{{- $values := .Values -}}
{{- $names := list -}}
{{- range $place, $pbx := .Values.pbx -}}
{{- if has (lower $pbx.name) $names -}}{{- fail (printf "pbx[%d].name: %q is the name of another one: choose another" $place $pbx.name) -}}{{- end -}}
{{- $names = append $names (lower $pbx.name) -}}
{{- $keys := default dict (default dict $pbx.existingSecret).keys -}}
{{- if not (or $pbx.client_secret $keys.client_secret) -}}
{{- fail (printf "pbx[%d]: the API client of %q has no secret: give existingSecret {name, keys: {client_secret: …}}" $place $pbx.name) -}}
{{- end -}}
{{- if and (not $values.embedded) $values.recorder.enabled (not $pbx.recorder_client_id) -}}
{{- fail (printf "pbx[%d].recorder_client_id: monitor and recorder of %q are pods of their own, and the PBX keeps one live token for each API client: make a second API client and name it here, or set `embedded: true`" $place $pbx.name) -}}
{{- end -}}
{{- if and $pbx.recorder_client_id (not (or $pbx.recorder_client_secret $keys.recorder_client_secret)) -}}
{{- fail (printf "pbx[%d]: recorder_client_id of %q has no secret: give existingSecret {name, keys: {recorder_client_secret: …}}" $place $pbx.name) -}}
{{- end -}}
{{- end -}}
{{- $seen := list -}}
{{- range $place, $endpoint := .Values.endpoint -}}
{{- if has (lower $endpoint.name) $seen -}}{{- fail (printf "endpoint[%d].name: %q is the name of another one: choose another" $place $endpoint.name) -}}{{- end -}}
{{- $seen = append $seen (lower $endpoint.name) -}}
{{- range $endpoint.pbx -}}
{{- if not (has (lower .) $names) -}}{{- fail (printf "endpoint[%d].pbx: %q is no PBX of `pbx`" $place .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "switchhook.validateParts" -}}
{{- $values := .Values -}}
{{- if and $values.tls.enabled $values.embedded -}}
{{- fail "tls.enabled: `embedded` has no ways between pods that could be encrypted: remove it" -}}
{{- end -}}
{{- if and $values.tls.enabled $values.tls.existingSecret $values.tls.certManager.enabled -}}
{{- fail "tls: existingSecret and certManager both bring the certificate: keep one" -}}
{{- end -}}
{{- if and $values.tls.enabled (not $values.tls.existingSecret) (not $values.tls.certManager.enabled) -}}
{{- fail "tls.enabled: there is no certificate: set tls.existingSecret or tls.certManager.enabled" -}}
{{- end -}}
{{- if and $values.tls.certManager.enabled (not $values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef: say who issues the certificate, such as {name: internal-ca, kind: ClusterIssuer}" -}}
{{- end -}}
{{- if and $values.externalSecrets.enabled (not $values.externalSecrets.secretStoreRef.name) -}}
{{- fail "externalSecrets.secretStoreRef: name the store, such as {name: vault, kind: ClusterSecretStore}" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.host) -}}
{{- fail "ingress.host: is missing: the host that config.fileserver.public_url begins with" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: name the Gateway, such as [{name: public}]" -}}
{{- end -}}
{{- if and (or $values.ingress.enabled $values.httpRoute.enabled) (not $values.embedded) (not $values.recorder.enabled) -}}
{{- fail "ingress, httpRoute: without the recorder there is no file server to open: remove them" -}}
{{- end -}}
{{- if and (include "switchhook.hasRecordingsVolume" .) (not $values.recordings.existingClaim) (not (has "ReadWriteMany" $values.recordings.accessModes)) -}}
{{- fail "recordings.accessModes: the recorder writes and the file server reads, each in pods of its own: ReadWriteMany is needed, or `embedded: true`" -}}
{{- end -}}
{{- $encryption := $values.storage.encryption -}}
{{- if ne (empty $encryption.existingSecret) (empty $encryption.ids) -}}
{{- fail "storage.encryption: existingSecret and ids go together: the Secret, and which of its keys encrypt recordings" -}}
{{- end -}}
{{- if and (gt (len $encryption.ids) 1) (not (has $encryption.current $encryption.ids)) -}}
{{- fail "storage.encryption.current: say which of ids encrypts new recordings" -}}
{{- end -}}
{{- if and $values.database.url $values.database.existingSecret.name -}}
{{- fail "database: url and existingSecret both say where it is: keep existingSecret" -}}
{{- end -}}
{{- end -}}

{{- define "switchhook.validateConfig" -}}
{{- $config := .Values.config -}}
{{- $own := dict "monitor" (list "sinks") "dispatcher" (list "listen") "recorder" (list "listen" "sinks") "fileserver" (list "listen" "link_secret" "link_secret_file" "old_link_secret_files" "tls_cert" "tls_key") "storage" (list "access_key" "secret_key" "encryption_keys" "encryption_key") -}}
{{- range $table, $keys := $own -}}
{{- range $key := $keys -}}
{{- if hasKey (default dict (index $config $table)) $key -}}
{{- fail (printf "config.%s.%s: the chart sets it: remove it" $table $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $timeout := default "15s" (default dict $config.dispatcher).timeout -}}
{{- if regexMatch "^[0-9]+s$" $timeout -}}
{{- $grace := int (ternary .Values.all.terminationGracePeriodSeconds .Values.dispatcher.terminationGracePeriodSeconds .Values.embedded) -}}
{{- if le $grace (int (trimSuffix "s" $timeout)) -}}
{{- fail (printf "dispatcher.terminationGracePeriodSeconds: %d is not longer than config.dispatcher.timeout (%s): a request under way would be cut off" $grace $timeout) -}}
{{- end -}}
{{- end -}}
{{- end -}}
