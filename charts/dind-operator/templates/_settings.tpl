{{/* The operator's settings, all of them: what is not written here has no value in this chart. */}}
{{- define "dind-operator.settings" -}}
- name: DIND_DAEMON_IMAGE
  value: {{ include "dind-operator.image" (dict "root" $ "name" "daemon") | quote }}
- name: DIND_NODE_TOOL_IMAGE
  value: {{ include "dind-operator.image" (dict "root" $ "name" "nodeTool") | quote }}
- name: DIND_NODE_TOOL_PULL_POLICY
  value: {{ .Values.image.nodeTool.pullPolicy | quote }}
- name: DIND_REQUIRE_NAMESPACE_LABEL
  value: {{ .Values.requireNamespaceLabel | quote }}
- name: DIND_READ_POD_LOGS
  value: {{ .Values.readPodLogs | quote }}
- name: DIND_VOLUME_CHECK_SECONDS
  value: {{ .Values.volumeCheckSeconds | int | quote }}
- name: DIND_ENDPOINT_CHECK_SECONDS
  value: {{ .Values.endpointCheckSeconds | int | quote }}
- name: DIND_WORKERS
  value: {{ .Values.workers | int | quote }}
- name: DIND_RESYNC_SECONDS
  value: {{ .Values.resyncSeconds | int | quote }}
- name: DIND_LISTEN_PORT
  value: "8080"
- name: DIND_LEADER_ELECTION
  value: {{ .Values.leaderElection.enabled | quote }}
- name: DIND_POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: DIND_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: DIND_LOG_FORMAT
  value: {{ .Values.logging.format | quote }}
- name: DIND_LOG_LEVEL
  value: {{ .Values.logging.level | quote }}
- name: DIND_DEFAULT_RUNTIME_CLASS
  value: {{ .Values.userNamespaces.runtimeClass.name | quote }}
{{- with .Values.hostPath.allowedPrefixes }}
- name: DIND_HOST_PATH_PREFIXES
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.clusterCIDRs }}
- name: DIND_CLUSTER_CIDRS
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.registry.mirrors }}
- name: DIND_DEFAULT_REGISTRY_MIRRORS
  value: {{ toJson . | quote }}
{{- end }}
{{- if .Values.policy.enabled }}
- name: DIND_GUARD_RAILS
  value: {{ include "dind-operator.policyRules" . | quote }}
{{- end }}
{{- with .Values.defaultReserveMemory }}
- name: DIND_DEFAULT_RESERVE_MEMORY
  value: {{ . | quote }}
{{- end }}
{{- end }}
