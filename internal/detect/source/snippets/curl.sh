# JSON, one object a line
curl -H 'Authorization: Bearer {{.Token}}' -H 'Content-Type: application/x-ndjson' --data-binary @events.ndjson {{.URL}}/api/v1/events

# lines of text: syslog, access logs, audit logs
curl -H 'Authorization: Bearer {{.Token}}' -H 'Content-Type: text/plain' --data-binary @access.log '{{.URL}}/api/v1/events?file=access.log'

# as Elasticsearch takes it
printf '{"create":{}}\n{"message":"hello"}\n' | curl -H 'Authorization: Bearer {{.Token}}' -H 'Content-Type: application/x-ndjson' --data-binary @- {{.URL}}/{{.Name}}/_bulk
