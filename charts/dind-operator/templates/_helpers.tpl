{{/* Names. A label value has at most 63 characters, and the longest suffix of a full name is "-apparmor". */}}
{{- define "dind-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 54 | trimSuffix "-" }}
{{- end }}

{{- define "dind-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 54 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dind-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "dind-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is empty and serviceAccount.create is false: set serviceAccount.name to an existing service account, or set serviceAccount.create to true." .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "dind-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dind-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of all objects except those of `helm test`, whose pod the metrics Service must not select. */}}
{{- define "dind-operator.labels" -}}
{{ include "dind-operator.selectorLabels" . }}
{{ include "dind-operator.releaseLabels" . }}
{{- end }}

{{- define "dind-operator.testLabels" -}}
app.kubernetes.io/name: {{ include "dind-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{- define "dind-operator.loaderSelectorLabels" -}}
app.kubernetes.io/name: {{ include "dind-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: apparmor-loader
{{- end }}

{{- define "dind-operator.loaderLabels" -}}
{{ include "dind-operator.loaderSelectorLabels" . }}
{{ include "dind-operator.releaseLabels" . }}
{{- end }}

{{/* The profile, and the extra rules that it includes. The loader creates dind-complain from the same text. */}}
{{- define "dind-operator.loaderData" -}}
dind: |
  {{- .Files.Get "files/apparmor-dind" | nindent 2 }}
extraRules: {{ printf "%s\n" .Values.apparmor.extraRules | toJson }}
{{- end }}

{{- define "dind-operator.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: dind-operator
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The reference of an image. Call with (dict "root" $ "name" "nodeTool"). A digest replaces the tag, because not all container
     runtimes accept both. */}}
{{- define "dind-operator.image" -}}
{{- $image := index .root.Values.image .name }}
{{- $registry := default .root.Values.image.registry $image.registry }}
{{- if not $registry }}
{{- fail "image.registry is empty: the project does not publish images. Build the targets operator, node-tool and daemon of its Dockerfile (docker build --target), push them to a registry that your nodes can pull from, and install with --set image.registry=REGISTRY (e.g. registry.example.com/dind)." }}
{{- end }}
{{- $repository := printf "%s/%s" ($registry | trimSuffix "/") $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository ($image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* Fields of a pod and of a container that the Pod Security Standard `restricted` requires. */}}
{{- define "dind-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "dind-operator.securityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Validation across values, which a schema cannot express. */}}
{{- define "dind-operator.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail (printf "replicas is %d but leaderElection.enabled is false: several operators would reconcile the same environments. Enable leader election, or set replicas to 1." (int .Values.replicas)) }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if has .name (include "dind-operator.settingNames" $ | fromJsonArray) }}
{{- fail (printf "extraEnv must not contain %s: the chart sets this variable from another value. Set that value instead." .name) }}
{{- end }}
{{- end }}
{{- end }}
