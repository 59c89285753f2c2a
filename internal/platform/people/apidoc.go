package people

import (
	"net/http"

	"yagura/internal/platform/openapi"
)

func doc(summary string, body, answer any) *openapi.Operation {
	return &openapi.Operation{Summary: summary, Tag: "people", Body: body, Answer: answer}
}

func docList() *openapi.Operation {
	op := doc("List people and service accounts", nil, openapi.Page(openapi.Of(apiPerson{})))
	op.Query = []openapi.Parameter{
		openapi.Cursor(),
		{Name: "q", Description: "A part of the name or the mail address."},
		{Name: "role", Description: "The name of a role."},
		{Name: "unit", Description: "The id of a unit; those below it count, too."},
		{Name: "state", Description: "A state of the account.", Schema: openapi.Enum("invited", "active", "disabled")},
		{Name: "kind", Description: "What the account is of.", Schema: openapi.Enum("person", "service")},
	}
	return op
}

// wishSchema describes what may be asked for; of a person who is there, the version that is changed, too.
func wishSchema(isNew bool) openapi.Schema {
	members := []openapi.Property{
		{Name: "kind", Schema: openapi.Enum("person", "service")}, {Name: "email", Schema: openapi.String()}, {Name: "name", Schema: openapi.String(), Required: isNew},
		{Name: "unit", Schema: openapi.String().With("The id of a unit, empty for none.")}, {Name: "lang", Schema: openapi.Enum("ja", "en", "")},
		{Name: "roles", Schema: openapi.Array(openapi.String()).With("The roles that are given by hand. A new person is an employee where this is left out.")},
		{Name: "reason", Schema: openapi.String().With("For the second person, where roles take one.")},
	}
	if !isNew {
		members = append(members, openapi.Property{Name: "disabled", Schema: openapi.Boolean()},
			openapi.Property{Name: "version", Schema: openapi.Integer().With("The version that the change was made from; 0 is the newest.")})
	}
	return openapi.Object(members...)
}

func docCreate() *openapi.Operation {
	op := doc("Invite a person, or make a service account", wishSchema(true), madePerson{})
	op.Description = "Where no mail goes out, the answer has the link of the invitation. Roles that take a second person wait: `approval` is the request."
	op.Status, op.Headers = http.StatusCreated, []openapi.Parameter{openapi.IdempotencyKey()}
	return op
}

func docChange() *openapi.Operation {
	op := doc("Change a person: all that is asked for, or nothing", wishSchema(false), apiPerson{})
	op.Description = "Roles that take a second person are asked for alone, and answered with 202."
	op.Others = map[int]any{http.StatusAccepted: openapi.Object(openapi.Property{Name: "approval", Schema: openapi.String(), Required: true})}
	return op
}

func docUnits() *openapi.Operation {
	op := doc("List the organisation's units", nil, openapi.Page(openapi.Of(apiUnit{})))
	op.Tag = "units"
	return op
}
