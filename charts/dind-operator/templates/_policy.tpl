{{/* The policy of the installation, for the operator (JSON) and for the API server (CEL). A rule that is null is not set.
     operator/dind_operator/features/policy/rules.py contains the same rules and messages. */}}

{{/* The rules in .Values.policy.rules that are set, as JSON. */}}
{{- define "dind-operator.policyRules" -}}
{{- $rules := dict }}
{{- range $key, $value := .Values.policy.rules }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $rules $key $value }}
{{- end }}
{{- end }}
{{- toJson $rules }}
{{- end }}

{{/* A rule as CEL: a list or map as a list of strings, with entries of a map as name=value; other values unchanged. */}}
{{- define "dind-operator.policyList" -}}
{{- $lines := list }}
{{- if kindIs "map" . }}
{{- $map := . }}
{{- range $name := keys . | sortAlpha }}
{{- $lines = append $lines (printf "%s=%s" $name (get $map $name)) }}
{{- end }}
{{- else if kindIs "slice" . }}
{{- range . }}
{{- /* An empty entry is a pod without RuntimeClass. No RuntimeClass can have this name. */}}
{{- $lines = append $lines (. | default "(none)") }}
{{- end }}
{{- end }}
{{- kindIs "map" . | or (kindIs "slice" .) | ternary (toJson $lines) (toJson .) }}
{{- end }}

{{/* The minutes of a duration such as 7d, as a CEL expression. */}}
{{- define "dind-operator.policyMinutes" -}}
int({{ . }}.substring(0, size({{ . }}) - 1)) * ({{ . }}.endsWith('d') ? 1440 : ({{ . }}.endsWith('h') ? 60 : 1))
{{- end }}

{{/* The message of a violation: key (of the rules), field, shown (CEL of the rejected value). */}}
{{- define "dind-operator.policyMessage" -}}
"{{ .field }} " + {{ .shown }} + " is not allowed by the policy of this installation. Allowed: " + (size(variables.{{ .key }}) > 0 ? variables.{{ .key }}.join(", ") + ". Use an allowed value" : "none. Remove the value") + ", or ask an administrator to change policy.rules.{{ .key }} of the chart."
{{- end }}

{{/* A validation: key, field (in the message), it (the variable that is checked), expr (its CEL for `object`), ok (CEL with IT and
     ALLOWED, true if the value is allowed). An unchanged value of an existing object is always allowed, so that other fields of the
     object can be changed. */}}
{{- define "dind-operator.policyRule" -}}
- expression: >-
    ({{ .ok | replace "IT" (printf "variables.%s" .it) | replace "ALLOWED" (printf "variables.%s" .key) }}) ||
    oldObject != null && {{ .expr | replace "object." "oldObject." }} == variables.{{ .it }}
  {{- include "dind-operator.policyMessages" (dict "field" .field "key" .key "shown" (printf "variables.%s" .it)) | nindent 2 }}
{{- end }}

{{/* A validation for a list of rejected values. The message contains the first. */}}
{{- define "dind-operator.policyListRule" -}}
- expression: size(variables.{{ .refused }}) == 0
  {{- include "dind-operator.policyMessages" (dict "field" .field "key" .key "shown" (printf "variables.%s[0]" .refused)) | nindent 2 }}
{{- end }}

{{- define "dind-operator.policyMessages" -}}
message: {{ printf "%s has a value that the policy of this installation does not allow. See policy.rules.%s of the chart." .field .key | quote }}
reason: Forbidden
messageExpression: >-
  {{ include "dind-operator.policyMessage" . }}
{{- end }}
