{{/* The installation's policy, once for the operator (JSON) and once for the API server (a ConfigMap and CEL).
     What is null is no rule. The operator's twin of all this is operator/dind_operator/build/guardrails.py. */}}

{{/* What is set of .Values.policy.rules, for the operator. */}}
{{- define "dind-operator.policyRules" -}}
{{- $rules := dict }}
{{- range $key, $value := .Values.policy.rules }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $rules $key $value }}
{{- end }}
{{- end }}
{{- toJson $rules }}
{{- end }}

{{/* The same as texts, an entry a line: CEL reads no JSON. A list without entries is an empty text. */}}
{{- define "dind-operator.policyParameters" -}}
{{- $data := dict "defaultRuntimeClass" .Values.userNamespaces.runtimeClass.name }}
{{- $_ := set $data "hostPathPrefixes" (join "\n" .Values.hostPath.allowedPrefixes) }}
{{- range $key, $value := .Values.policy.rules }}
{{- if kindIs "map" $value }}
{{- $lines := list }}
{{- range $name := keys $value | sortAlpha }}
{{- $lines = append $lines (printf "%s=%s" $name (get $value $name)) }}
{{- end }}
{{- $_ := set $data $key (join "\n" $lines) }}
{{- else if not (kindIs "invalid" $value) }}
{{- $lines := list }}
{{- range $value }}
{{- /* No class; no class has such a name. */}}
{{- $lines = append $lines (. | default "(none)") }}
{{- end }}
{{- $_ := set $data $key (join "\n" $lines) }}
{{- end }}
{{- end }}
{{- toYaml $data }}
{{- end }}

{{/* One validation. Call with a dict: key (of the rules), field (for people), expr (CEL of what is looked at, written for
     `object`), ok (CEL over `it` and the rule's `allowed`; true if it may be), shown (CEL of the text that is refused).
     What an object has had before the policy may stay in it: else nobody could suspend it, or change anything else. */}}
{{- define "dind-operator.policyRule" -}}
- expression: >-
    !('{{ .key }}' in params.data) || ({{ .ok | replace "IT" (printf "variables.%s" .it) | replace "ALLOWED" (printf "variables.%s" .key) }}) ||
    oldObject != null && {{ .expr | replace "object." "oldObject." }} == variables.{{ .it }}
  message: {{ printf "%s is not allowed by this installation's policy: see policy.rules.%s of the chart." .field .key | quote }}
  reason: Forbidden
  messageExpression: >-
    {{ include "dind-operator.policySentence" (dict "field" .field "key" .key "shown" (printf "variables.%s" .it)) }}
{{- end }}

{{- define "dind-operator.policySentence" -}}
"{{ .field }} " + {{ .shown }} + " is not allowed by this installation's policy, which allows " +
    (size(variables.{{ .key }}) > 0 ? variables.{{ .key }}.join(", ") + ": choose one of these" : "none: leave it out") +
    ", or have an administrator change policy.rules.{{ .key }} of the chart."
{{- end }}

{{/* The same for a list of what is refused: only the first is told. */}}
{{- define "dind-operator.policyListRule" -}}
- expression: size(variables.{{ .refused }}) == 0
  message: {{ printf "%s is not allowed by this installation's policy: see policy.rules.%s of the chart." .field .key | quote }}
  reason: Forbidden
  messageExpression: >-
    {{ include "dind-operator.policySentence" (dict "field" .field "key" .key "shown" (printf "variables.%s[0]" .refused)) }}
{{- end }}
