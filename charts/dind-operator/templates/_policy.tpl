{{/* The installation's policy, once for the operator (JSON) and once for the API server (CEL). What is null is no rule.
     The operator's twin of all this is operator/dind_operator/features/policy/rules.py. */}}

{{/* What is set of .Values.policy.rules, as JSON. */}}
{{- define "dind-operator.policyRules" -}}
{{- $rules := dict }}
{{- range $key, $value := .Values.policy.rules }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $rules $key $value }}
{{- end }}
{{- end }}
{{- toJson $rules }}
{{- end }}

{{/* One of its lists or maps as a CEL list of texts, entries of a map as name=value; anything else as it is. */}}
{{- define "dind-operator.policyList" -}}
{{- $lines := list }}
{{- if kindIs "map" . }}
{{- $map := . }}
{{- range $name := keys . | sortAlpha }}
{{- $lines = append $lines (printf "%s=%s" $name (get $map $name)) }}
{{- end }}
{{- else if kindIs "slice" . }}
{{- range . }}
{{- /* No RuntimeClass; none has such a name. */}}
{{- $lines = append $lines (. | default "(none)") }}
{{- end }}
{{- end }}
{{- kindIs "map" . | or (kindIs "slice" .) | ternary (toJson $lines) (toJson .) }}
{{- end }}

{{/* The minutes of a duration such as 7d, as CEL over a text. */}}
{{- define "dind-operator.policyMinutes" -}}
int({{ . }}.substring(0, size({{ . }}) - 1)) * ({{ . }}.endsWith('d') ? 1440 : ({{ . }}.endsWith('h') ? 60 : 1))
{{- end }}

{{/* The sentence that refuses: key (of the rules), field, shown (CEL of the refused text). */}}
{{- define "dind-operator.policySentence" -}}
"{{ .field }} " + {{ .shown }} + " is not allowed by the policy of this installation. Allowed: " + (size(variables.{{ .key }}) > 0 ? variables.{{ .key }}.join(", ") + ". Use an allowed value" : "none. Remove the value") + ", or ask an administrator to change policy.rules.{{ .key }} of the chart."
{{- end }}

{{/* A validation: key, field (for people), it (the variable that is looked at), expr (its CEL, written for `object`), ok (CEL over
     IT and the rule's ALLOWED, true if it may be). What an object had before the policy may stay in it: else nobody could
     suspend it, or change anything else. */}}
{{- define "dind-operator.policyRule" -}}
- expression: >-
    ({{ .ok | replace "IT" (printf "variables.%s" .it) | replace "ALLOWED" (printf "variables.%s" .key) }}) ||
    oldObject != null && {{ .expr | replace "object." "oldObject." }} == variables.{{ .it }}
  {{- include "dind-operator.policyTold" (dict "field" .field "key" .key "shown" (printf "variables.%s" .it)) | nindent 2 }}
{{- end }}

{{/* The same for a list of what is refused: only the first is told. */}}
{{- define "dind-operator.policyListRule" -}}
- expression: size(variables.{{ .refused }}) == 0
  {{- include "dind-operator.policyTold" (dict "field" .field "key" .key "shown" (printf "variables.%s[0]" .refused)) | nindent 2 }}
{{- end }}

{{- define "dind-operator.policyTold" -}}
message: {{ printf "%s has a value that the policy of this installation does not allow. See policy.rules.%s of the chart." .field .key | quote }}
reason: Forbidden
messageExpression: >-
  {{ include "dind-operator.policySentence" . }}
{{- end }}
