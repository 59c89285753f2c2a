package desk

import (
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
)

func (x *desk) doc(summary string, body, answer openapi.Schema) *openapi.Operation {
	op := &openapi.Operation{Summary: summary, Tag: x.kind.Name}
	if body != nil {
		op.Body = body
	}
	if answer != nil {
		op.Answer = answer
	}
	return op
}

// changing adds what every change of a record can name.
func changing(op *openapi.Operation) *openapi.Operation {
	op.Headers = append(op.Headers, openapi.Parameter{Name: "If-Match",
		Description: "The version that the change is made on, as the ETag of reading it. Where it is another by now, nothing is done and 412 is answered. Without it the change is made to whatever there is."}, openapi.IdempotencyKey())
	return op
}

func (x *desk) docHistory() *openapi.Operation {
	op := x.doc("What was done to one, the latest first", nil, openapi.Page(openapi.Of(entryJSON{})))
	op.Query = paging()
	return op
}

func paging() []openapi.Parameter {
	return []openapi.Parameter{openapi.Cursor(), openapi.Limit(record.MaxPage)}
}

func (x *desk) docList() *openapi.Operation {
	op := x.doc("List", nil, openapi.Page(recordSchema(x.kind)))
	op.Description = "Filters are those of the page's address: one of the values of a repeated parameter holds, all parameters do; `!` before a value means not, `-` nothing, `a..b` a range."
	op.Query = append(paging(),
		openapi.Parameter{Name: "q", Description: "Words that the record's texts have."},
		openapi.Parameter{Name: "sort", Description: "A field, or - and a field for the greatest first."},
		openapi.Parameter{Name: "deleted", Description: "true: those that are deleted.", Schema: openapi.Boolean()})
	for _, f := range x.kind.All() {
		op.Query = append(op.Query, openapi.Parameter{Name: f.Name, Many: true, Description: "Filter: " + filterHelp(f)})
	}
	return op
}

// filterHelp says what a field can be filtered by.
func filterHelp(f *record.Field) string {
	switch f.Type.Word() {
	case "text", "long", "email", "link":
		return "a part of it, or = and the whole."
	case "person":
		return "an id, a mail address, or me."
	case "unit":
		return "an id or a code; those below it count, too."
	case "moment":
		return "a range, or 24h, 7d: since then."
	case "deadline":
		return "overdue, a range, or 7d: until then."
	case "state":
		return "a state, open, or done."
	}
	return "a value."
}

// fieldSchema describes a field's values.
func fieldSchema(k *record.Kind, f *record.Field) openapi.Schema {
	switch t := f.Type.(type) {
	case record.Choice:
		return openapi.Enum(t...).Nullable()
	case record.Choices:
		return openapi.Array(openapi.Enum(t...))
	}
	switch f.Type.Word() {
	case "int":
		return openapi.Integer()
	case "bool":
		return openapi.Boolean()
	case "tags":
		return openapi.Array(openapi.String())
	case "level":
		return openapi.Enum("informational", "low", "medium", "high", "critical").Nullable()
	case "day":
		return openapi.Day().Nullable()
	case "moment", "deadline":
		return openapi.Time().Nullable()
	case "state":
		var names []string
		for _, s := range k.States {
			names = append(names, s.Name)
		}
		return openapi.Enum(names...)
	case "text":
		return openapi.String()
	case "long":
		return openapi.String().With("Markdown.")
	}
	return openapi.String().Nullable()
}

// recordSchema describes a record as it is answered.
func recordSchema(k *record.Kind) openapi.Schema {
	properties := []openapi.Property{
		{Name: "id", Schema: openapi.String(), Required: true}, {Name: "version", Schema: openapi.Integer(), Required: true},
		{Name: "deleted", Schema: openapi.Of(deletedJSON{}).Nullable(), Required: true},
	}
	for _, f := range k.All() {
		properties = append(properties, openapi.Property{Name: f.Name, Schema: fieldSchema(k, f), Required: !f.Secret})
	}
	return openapi.Object(properties...)
}

// exportSchema describes a record as a JSON export has it (forPrograms).
func exportSchema(k *record.Kind) openapi.Schema {
	properties := []openapi.Property{{Name: "id", Schema: openapi.String(), Required: true}, {Name: "version", Schema: openapi.Integer(), Required: true}}
	for _, f := range k.All() {
		if f.Secret {
			continue
		}
		schema := openapi.String()
		switch f.Type.Word() {
		case "int":
			schema = openapi.Integer()
		case "bool":
			schema = openapi.Boolean()
		case "moment", "deadline":
			schema = openapi.Time().Nullable()
		case "tags", "choices":
			schema = openapi.String().With("With commas between.")
		}
		properties = append(properties, openapi.Property{Name: f.Name, Schema: schema, Required: true})
	}
	return openapi.Object(properties...)
}

// valuesSchema describes the fields that a new record is made of, or that are changed.
func valuesSchema(k *record.Kind, isNew bool) openapi.Schema {
	var properties []openapi.Property
	for _, f := range k.Editable() {
		if isNew || !f.Fixed {
			properties = append(properties, openapi.Property{Name: f.Name, Schema: fieldSchema(k, f), Required: isNew && f.Required})
		}
	}
	if !isNew {
		properties = append(properties, openapi.Property{Name: noteMember, Schema: openapi.String().With("Why; it stands in the history.")})
	}
	return openapi.Object(properties...)
}

// moveSchema describes what goes with a move.
func moveSchema(k *record.Kind) openapi.Schema {
	return openapi.Object(openapi.Property{Name: "values", Schema: valuesSchema(k, false)}, openapi.Property{Name: "why", Schema: openapi.String()})
}
