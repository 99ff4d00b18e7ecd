{{/*
One service: its Deployment, Service, PodDisruptionBudget and autoscaler. All of
ours are made here, from their line in the table of `_services.tpl`.
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
  The autoscaler sets the number, and what runs now is its number or the one before
  it. Without a number here an upgrade would take away the one that an earlier
  release wrote (by helm 3's merge and by server-side apply alike), and the
  Deployment would fall to one pod until the autoscaler looks. With the least one
  every upgrade would shrink it.
  */}}
  {{- with lookup "apps/v1" "Deployment" $root.Release.Namespace $name }}
  replicas: {{ .spec.replicas | int }}
  {{- end }}
  {{- end }}
  revisionHistoryLimit: 3
  # A pod leaves when another one has taken its place.
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
      # The notice, the drain, and what the last spans and metrics may take to leave.
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
          # Each revision for itself: pods that are about to leave do not count.
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
          # Slow nodes get a minute. A Redis or an IdP that is not there yet does not
          # count here, but in readiness.
          startupProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 1
            failureThreshold: 60
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          livenessProbe:
            httpGet: {path: /healthz, port: http}
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
# An address of its own and not a headless one, for gRPC too. Its long-lived
# connections stay with the pod that they reached either way: our clients open one
# a worker and know nothing of other addresses. But here a new connection only ever
# reaches a pod that is ready, while a name's addresses would be remembered past a
# pod's end. What draining says (GOAWAY) moves connections during a rollout.
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
      appProtocol: {{ ternary "kubernetes.io/h2c" "http" (eq $port "grpc") }}
      {{- if eq $settings.service.type "NodePort" }}
      {{- with get $settings.service.nodePorts $port }}
      nodePort: {{ . | int }}
      {{- end }}
      {{- end }}
    {{- end }}
{{- if $root.Values.metrics.serviceMonitor.enabled }}
---
# The figures, for the ServiceMonitor alone: no node port or route leads there.
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
      appProtocol: http
    {{- end }}
{{- end }}
{{- if $settings.pdb.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "sso-lab.metadata" $about | nindent 2 }}
spec:
  maxUnavailable: 1
  # One that does not work protects nothing: it must not keep a node from being drained.
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
