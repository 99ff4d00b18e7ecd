{{/* Jaeger 2 is an OpenTelemetry Collector; this is its configuration. */}}
{{- define "sso-lab.jaegerConfig" -}}
service:
  extensions: [healthcheckv2, jaeger_storage, jaeger_query]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [jaeger_storage_exporter]
  telemetry:
    resource:
      service.name: jaeger
    metrics:
      level: none
    logs:
      level: info
extensions:
  healthcheckv2:
    use_v2: true
    http:
      endpoint: 0.0.0.0:13133
  jaeger_storage:
    backends:
      traces:
        memory:
          max_traces: {{ .Values.jaeger.maxTraces | int }}
  jaeger_query:
    storage:
      traces: traces
    http:
      endpoint: 0.0.0.0:16686
    # Unused, so not reachable from outside the pod.
    grpc:
      endpoint: 127.0.0.1:16685
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
processors:
  batch: {}
exporters:
  jaeger_storage_exporter:
    trace_storage: traces
{{- end -}}
