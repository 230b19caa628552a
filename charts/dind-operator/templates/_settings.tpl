{{/* Settings of the operator. Settings for tests are not included; use extraEnv for them. */}}
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
- name: DIND_ENDPOINTS_ENABLED
  value: {{ .Values.endpoints.enabled | quote }}
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
- name: DIND_SUBDOMAIN
  value: {{ .Values.subdomain | quote }}
{{- with .Values.hostPath.allowedPrefixes }}
- name: DIND_HOST_PATH_PREFIXES
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.allowedServiceAccounts }}
- name: DIND_ALLOWED_SERVICE_ACCOUNTS
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.clusterCIDRs }}
- name: DIND_CLUSTER_CIDRS
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.metadataAddresses }}
- name: DIND_METADATA_ADDRESSES
  value: {{ toJson . | quote }}
{{- end }}
{{- with .Values.registry.mirrors }}
- name: DIND_DEFAULT_REGISTRY_MIRRORS
  value: {{ toJson . | quote }}
{{- end }}
{{- if or .Values.proxy.httpProxy .Values.proxy.httpsProxy }}
{{- $proxy := dict "noProxy" .Values.proxy.noProxy }}
{{- with .Values.proxy.httpProxy }}{{ $proxy = set $proxy "httpProxy" . }}{{ end }}
{{- with .Values.proxy.httpsProxy }}{{ $proxy = set $proxy "httpsProxy" . }}{{ end }}
- name: DIND_DEFAULT_PROXY
  value: {{ toJson $proxy | quote }}
{{- end }}
{{- if .Values.policy.enabled }}
- name: DIND_POLICY_RULES
  value: {{ include "dind-operator.policyRules" . | quote }}
{{- end }}
{{- with .Values.defaultReserveMemory }}
- name: DIND_DEFAULT_RESERVE_MEMORY
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* The names of all variables above, which extraEnv must not contain. */}}
{{- define "dind-operator.settingNames" -}}
["DIND_DAEMON_IMAGE", "DIND_NODE_TOOL_IMAGE", "DIND_NODE_TOOL_PULL_POLICY", "DIND_REQUIRE_NAMESPACE_LABEL",
 "DIND_READ_POD_LOGS", "DIND_VOLUME_CHECK_SECONDS", "DIND_ENDPOINT_CHECK_SECONDS", "DIND_WORKERS",
 "DIND_RESYNC_SECONDS", "DIND_LISTEN_PORT", "DIND_LEADER_ELECTION", "DIND_POD_NAMESPACE",
 "DIND_POD_NAME", "DIND_LOG_FORMAT", "DIND_LOG_LEVEL", "DIND_DEFAULT_RUNTIME_CLASS", "DIND_SUBDOMAIN",
 "DIND_HOST_PATH_PREFIXES", "DIND_CLUSTER_CIDRS", "DIND_METADATA_ADDRESSES", "DIND_DEFAULT_REGISTRY_MIRRORS", "DIND_POLICY_RULES",
 "DIND_DEFAULT_PROXY",
 "DIND_DEFAULT_RESERVE_MEMORY", "DIND_ENDPOINTS_ENABLED", "DIND_ALLOWED_SERVICE_ACCOUNTS"]
{{- end }}
