{{- define "flux-instance.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "flux-instance.labels" -}}
app.kubernetes.io/name: {{ include "flux-instance.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object of the release's namespace: (list $ name). */}}
{{- define "flux-instance.metadata" -}}
{{- $ := index . 0 -}}
name: {{ index . 1 | quote }}
namespace: {{ $.Release.Namespace | quote }}
labels:
  {{- include "flux-instance.labels" $ | nindent 2 }}
{{- with $.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The spec: parts that are not used left out whole, then all that is empty, but for fields of the other parts that must be there. */}}
{{- define "flux-instance.spec" -}}
{{- $spec := deepCopy .Values.instance }}
{{- $sharding := $spec.sharding | default dict }}
{{- if not (or $sharding.shards $spec.shards) }}
{{- $_ := unset $spec "sharding" }}
{{- end }}
{{- $storage := $spec.storage | default dict }}
{{- if not $storage.size }}
{{- $_ := unset $spec "storage" }}
{{- end }}
{{- $sync := $spec.sync | default dict }}
{{- if not $sync.url }}
{{- $_ := unset $spec "sync" }}
{{- end }}
{{- include "flux-instance.dropEmpty" $spec }}
{{- with $spec.storage }}
{{- $_ := set . "class" (.class | default "") }}
{{- end }}
{{- with $spec.sync }}
{{- $_ := set . "path" (.path | default "") }}
{{- $_ := set . "ref" (.ref | default "") }}
{{- end }}
{{- toYaml $spec }}
{{- end }}

{{/* Takes empty texts, lists and maps, and nulls, out of a map and the maps in it. Lists are left as they are. */}}
{{- define "flux-instance.dropEmpty" -}}
{{- $map := . }}
{{- range $key, $value := $map }}
{{- if kindIs "map" $value }}
{{- include "flux-instance.dropEmpty" $value }}
{{- end }}
{{- if has (toJson $value) (list "\"\"" "[]" "{}" "null") }}
{{- $_ := unset $map $key }}
{{- end }}
{{- end }}
{{- end }}
