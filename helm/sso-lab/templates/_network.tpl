{{/* A peer: the pods of a component. (dict "root" $ "component" "idp") */}}
{{- define "sso-lab.peer" -}}
- podSelector:
    matchLabels:
      {{- include "sso-lab.selectorLabels" . | nindent 6 }}
{{- end -}}

{{- define "sso-lab.toDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* A destination outside the chart. (dict "to" (list …) "ports" (list 6379)) */}}
{{- define "sso-lab.toOutside" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . | int }}, protocol: TCP}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
