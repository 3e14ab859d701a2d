{{- define "flux-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, unless that lacks the chart's. */}}
{{- define "flux-operator.fullname" -}}
{{- $name := include "flux-operator.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "flux-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "flux-operator.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "flux-operator.selector" -}}
app.kubernetes.io/name: {{ include "flux-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "flux-operator.labels" -}}
{{ include "flux-operator.selector" . }}
app.kubernetes.io/part-of: flux-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object of the release's namespace: (list $ name). */}}
{{- define "flux-operator.metadata" -}}
{{- $ := index . 0 -}}
name: {{ index . 1 | quote }}
namespace: {{ $.Release.Namespace | quote }}
{{ include "flux-operator.marks" $ }}
{{- end }}

{{/* Metadata of an object of the cluster: (list $ name). */}}
{{- define "flux-operator.clusterMetadata" -}}
name: {{ index . 1 | quote }}
{{ include "flux-operator.marks" (index . 0) }}
{{- end }}

{{- define "flux-operator.marks" -}}
labels:
  {{- include "flux-operator.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "flux-operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* FIPS mode, as all containers of this chart have it. */}}
{{- define "flux-operator.fipsEnv" -}}
{{- if .Values.fips }}
- name: OPENSSL_CONF
  value: /fips/openssl.cnf
- name: OPENSSL_MODULES
  value: /fips
{{- end }}
{{- end }}

{{- define "flux-operator.fipsMount" -}}
{{- if and .Values.fips .Values.fipsModule }}
- name: fips
  mountPath: /fips
  readOnly: true
{{- end }}
{{- end }}

{{- define "flux-operator.fipsVolume" -}}
{{- if and .Values.fips .Values.fipsModule }}
- name: fips
  {{- toYaml .Values.fipsModule | nindent 2 }}
{{- end }}
{{- end }}

{{/* What all pods of this chart have in common: where and as whom they run. */}}
{{- define "flux-operator.pod" -}}
serviceAccountName: {{ include "flux-operator.serviceAccountName" . | quote }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The rules of a file, with the names of the release's namespace in place of those of flux-system. */}}
{{- define "flux-operator.rules" -}}
{{- $ := index . 0 -}}
{{ $.Files.Get (index . 1) | fromYamlArray | toJson | replace "flux-system" $.Release.Namespace | fromJsonArray | toYaml }}
{{- end }}

{{/* Annotations of a hook that runs before the release is uninstalled: (list $ weight). */}}
{{- define "flux-operator.uninstallHook" -}}
{{- $ := index . 0 -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- with $.Values.commonAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
