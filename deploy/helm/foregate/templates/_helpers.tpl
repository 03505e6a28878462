{{- define "foregate.name" -}}
{{- default .Release.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- define "foregate.selector" -}}
app.kubernetes.io/name: foregate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "foregate.labels" -}}
{{ include "foregate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}
