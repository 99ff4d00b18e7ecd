{{/*
One service: its Deployment, Service, PodDisruptionBudget and autoscaler, made from its
entry in the table of `_services.tpl`.
(dict "root" $ "key" "idp" "service" (dict …) "settings" (dict …))
*/}}
{{- define "sso-lab.workload" -}}
{{- $root := .root -}}
{{- $settings := .settings -}}
{{- $component := .service.component -}}
{{- $name := printf "%s-%s" (include "sso-lab.fullname" $root) $component -}}
{{- $about := dict "root" $root "component" $component "name" $name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "sso-lab.metadata" $about | nindent 2 }}
spec:
  {{- if not $settings.autoscaling.enabled }}
  replicas: {{ $settings.replicas | int }}
  {{- else }}
  {{- /*
  The autoscaler sets the number of pods. The chart repeats the present number: without
  `replicas`, an upgrade would remove the number that an earlier release wrote (with
  helm 3's merge and with server-side apply alike), and the Deployment would run one pod
  until the autoscaler's next decision. With the minimum here, every upgrade would
  shrink the Deployment.
  */}}
  {{- with lookup "apps/v1" "Deployment" $root.Release.Namespace $name }}
  replicas: {{ .spec.replicas | int }}
  {{- end }}
  {{- end }}
  revisionHistoryLimit: 3
  # An old pod stops only after a new pod is ready.
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "sso-lab.selectorLabels" $about | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "sso-lab.labels" $about | nindent 8 }}
        {{- with $settings.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $annotations := deepCopy $settings.podAnnotations }}
      {{- if eq .key "idp" }}
      {{- $annotations = set $annotations "checksum/config" (include "sso-lab.idpToml" $root | sha256sum) }}
      {{- if include "sso-lab.demoUsers" $root }}
      {{- $annotations = set $annotations "checksum/users" (include "sso-lab.demoUsers" $root | sha256sum) }}
      {{- end }}
      {{- end }}
      {{- with $annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "sso-lab.podSecurity" (dict "root" $root "user" 65532) | nindent 6 }}
      serviceAccountName: {{ include "sso-lab.fullname" $root }}
      automountServiceAccountToken: false
      # The drain notice, the drain, and the time to export the last spans and metrics.
      terminationGracePeriodSeconds: {{ add $root.Values.drain.noticeSeconds $root.Values.drain.timeoutSeconds 8 }}
      {{- with $settings.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $settings.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $settings.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- if $settings.topologySpreadConstraints }}
        {{- toYaml $settings.topologySpreadConstraints | nindent 8 }}
        {{- else }}
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          # Each revision is spread by itself; pods of the old revision do not count.
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels:
              {{- include "sso-lab.selectorLabels" $about | nindent 14 }}
        {{- end }}
        {{- end }}
      containers:
        - name: {{ $component }}
          {{- include "sso-lab.image" (dict "root" $root "program" $component "image" $settings.image) | nindent 10 }}
          {{- with $settings.extraArgs }}
          args:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          env:
            {{- include "sso-lab.environment" . | nindent 12 }}
          ports:
            {{- range $port, $number := .service.ports }}
            - {name: {{ $port }}, containerPort: {{ $number | int }}, protocol: TCP}
            {{- end }}
          # A minute, for slow nodes. A missing Redis or IdP affects readiness, not this
          # probe.
          startupProbe:
            httpGet: {path: /healthz, port: http{{ include "sso-lab.probeScheme" $root }}}
            periodSeconds: 1
            failureThreshold: 60
          readinessProbe:
            httpGet: {path: /readyz, port: http{{ include "sso-lab.probeScheme" $root }}}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          livenessProbe:
            httpGet: {path: /healthz, port: http{{ include "sso-lab.probeScheme" $root }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          resources:
            {{- toYaml $settings.resources | nindent 12 }}
          securityContext:
            {{- include "sso-lab.containerSecurity" . | nindent 12 }}
          {{- with include "sso-lab.mounts" . | trim }}
          volumeMounts:
            {{- . | nindent 12 }}
          {{- end }}
      {{- with include "sso-lab.volumes" . | trim }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
---
# A Service with a cluster IP, for gRPC too, instead of a headless one. In both cases a
# long-lived connection stays with its pod: clients open one connection for each worker
# and do not balance over addresses. With a cluster IP, a new connection always reaches
# a ready pod, while clients would cache the addresses of a headless Service beyond a
# pod's end. During a rollout, GOAWAY from draining pods moves the connections.
apiVersion: v1
kind: Service
metadata:
  {{- include "sso-lab.metadata" (merge (dict "annotations" $settings.service.annotations) $about) | nindent 2 }}
spec:
  type: {{ $settings.service.type }}
  selector:
    {{- include "sso-lab.selectorLabels" $about | nindent 4 }}
  ports:
    {{- range $port, $number := include "sso-lab.sitePorts" .service.ports | fromYaml }}
    - name: {{ $port }}
      port: {{ $number | int }}
      targetPort: {{ $port }}
      protocol: TCP
      {{- if $root.Values.tls.enabled }}
      appProtocol: {{ ternary "grpc" "https" (eq $port "grpc") }}
      {{- else }}
      appProtocol: {{ get (dict "grpc" "kubernetes.io/h2c" "mtls" "https") $port | default "http" }}
      {{- end }}
      {{- if eq $settings.service.type "NodePort" }}
      {{- with get $settings.service.nodePorts $port }}
      nodePort: {{ . | int }}
      {{- end }}
      {{- end }}
    {{- end }}
{{- if $root.Values.metrics.serviceMonitor.enabled }}
---
# /metrics, for the ServiceMonitor only: no node port or route leads to it.
apiVersion: v1
kind: Service
metadata:
  {{- include "sso-lab.metadata" (merge (dict "name" (printf "%s-metrics" $name)) $about) | nindent 2 }}
spec:
  clusterIP: None
  selector:
    {{- include "sso-lab.selectorLabels" $about | nindent 4 }}
  ports:
    {{- range $port, $number := include "sso-lab.metricsPorts" .service.ports | fromYaml }}
    - name: {{ $port }}
      port: {{ $number | int }}
      targetPort: {{ $port }}
      protocol: TCP
      appProtocol: {{ include "sso-lab.ownScheme" $root }}
    {{- end }}
{{- end }}
{{- with include "sso-lab.podsName" (dict "root" $root "component" $component) }}
---
# The addresses of all ready pods, for the lab, which switches failures at each of them.
apiVersion: v1
kind: Service
metadata:
  {{- include "sso-lab.metadata" (merge (dict "name" .) $about) | nindent 2 }}
spec:
  clusterIP: None
  selector:
    {{- include "sso-lab.selectorLabels" $about | nindent 4 }}
  ports:
    - name: http
      port: {{ $.service.ports.http | int }}
      targetPort: http
      protocol: TCP
      appProtocol: {{ include "sso-lab.ownScheme" $root }}
{{- end }}
{{- if $settings.pdb.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "sso-lab.metadata" $about | nindent 2 }}
spec:
  maxUnavailable: 1
  # Unhealthy pods may be evicted, so they do not block the drain of a node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "sso-lab.selectorLabels" $about | nindent 6 }}
{{- end }}
{{- if $settings.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "sso-lab.metadata" $about | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $name }}
  minReplicas: {{ $settings.autoscaling.minReplicas | int }}
  maxReplicas: {{ $settings.autoscaling.maxReplicas | int }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $settings.autoscaling.targetCPU | int }}
{{- end }}
{{- end -}}
