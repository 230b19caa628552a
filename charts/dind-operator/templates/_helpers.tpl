{{/* Names: 63 characters is the limit of a label's value; the longest suffix added to a full name is "-apparmor". */}}
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
{{- required "serviceAccount.name is empty and serviceAccount.create is false: name the service account that the operator shall use, or let the chart create one." .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "dind-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dind-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels of every object except those of `helm test`, whose pod must not be selected by the metrics Service. */}}
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

{{/* The profile, and the site's rules that it includes. dind-complain is made from the same text by the loader. */}}
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

{{/* One image's reference. Call with (dict "root" $ "name" "nodeTool"). A digest takes the place of the tag, because not
     every container runtime accepts both. */}}
{{- define "dind-operator.image" -}}
{{- $image := index .root.Values.image .name }}
{{- $registry := default .root.Values.image.registry $image.registry }}
{{- if not $registry }}
{{- fail "image.registry is empty: this project publishes no images, so the chart cannot know where they are. Build the targets operator, node-tool and daemon of its Dockerfile (docker build --target), push them to a registry that your nodes can pull from, and install with --set image.registry=REGISTRY (e.g. registry.example.com/dind)." }}
{{- end }}
{{- $repository := printf "%s/%s" ($registry | trimSuffix "/") $image.repository }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository ($image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* What a namespace that enforces the `restricted` Pod Security Standard asks of a pod, and of a container. */}}
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

{{/* Mistakes that a schema cannot see, because they are between two values. */}}
{{- define "dind-operator.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail (printf "replicas is %d but leaderElection.enabled is false: two operators would work on the same environments. Enable leader election, or set replicas to 1." (int .Values.replicas)) }}
{{- end }}
{{- if and .Values.policy.enabled .Values.policy.admission (semverCompare "<1.30-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "policy.admission is true and the cluster is Kubernetes %s, which has no ValidatingAdmissionPolicy v1: it came with 1.30. Set policy.admission to false, and only the operator enforces the policy." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if has .name (include "dind-operator.settingNames" $ | fromJsonArray) }}
{{- fail (printf "extraEnv must not name %s: this chart sets that variable from another of its values. Set the value instead." .name) }}
{{- end }}
{{- end }}
{{- end }}
