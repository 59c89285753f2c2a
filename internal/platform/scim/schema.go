package scim

import (
	"strings"
)

// Names of RFC 7643 and RFC 7644.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	listSchema       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	errorSchema      = "urn:ietf:params:scim:api:messages:2.0:Error"
	mediaType        = "application/scim+json"
)

// The types of attributes (RFC 7643, 2.3) that are used here.
const (
	textType    = "string"
	boolType    = "boolean"
	timeType    = "dateTime"
	complexType = "complex"
	linkType    = "reference"
)

// attribute is what RFC 7643, 7 says of one. The attributes here are what is kept; a directory may send more, which is ignored.
type attribute struct {
	name, kind, help string
	many             bool // a list
	readOnly         bool
	required         bool
	exact            bool // compared with regard to case
	unique           bool
	parts            []attribute
}

// part finds a part of a complex attribute.
func (a attribute) part(name string) (attribute, bool) { return named(a.parts, name) }

func named(list []attribute, name string) (attribute, bool) {
	for _, a := range list {
		if strings.EqualFold(a.name, name) {
			return a, true
		}
	}
	return attribute{}, false
}

// schema is a named set of attributes.
type schema struct {
	id, name, help string
	attributes     []attribute
}

// kind is a type of resource: its schemas and where it is found.
type kind struct {
	name, endpoint string
	schema         schema
	extensions     []schema
}

// commonAttributes are those of every resource (RFC 7643, 3.1); no schema lists them.
func commonAttributes() []attribute {
	return []attribute{
		{name: "schemas", kind: textType, many: true, exact: true, readOnly: true},
		{name: "id", kind: textType, readOnly: true, exact: true, unique: true},
		{name: "externalId", kind: textType, exact: true},
		{name: "meta", kind: complexType, readOnly: true, parts: []attribute{
			{name: "resourceType", kind: textType, exact: true}, {name: "created", kind: timeType}, {name: "lastModified", kind: timeType},
			{name: "location", kind: linkType, exact: true}, {name: "version", kind: textType, exact: true},
		}},
	}
}

// users is people as SCIM sees them.
func users() *kind {
	return &kind{
		name: "User", endpoint: "/Users",
		schema: schema{userSchema, "User", "A person who signs in", []attribute{
			{name: "userName", kind: textType, required: true, unique: true, help: "The mail address that the person signs in with"},
			{name: "name", kind: complexType, help: "The person's name", parts: []attribute{
				{name: "formatted", kind: textType, help: "The whole name"},
				{name: "familyName", kind: textType, help: "The family name"},
				{name: "givenName", kind: textType, help: "The given name"},
			}},
			{name: "displayName", kind: textType, help: "What the person is called on pages"},
			{name: "emails", kind: complexType, many: true, help: "Mail addresses; mail is sent to userName", parts: []attribute{
				{name: "value", kind: textType, help: "The address"},
				{name: "display", kind: textType, help: "How it is shown"},
				{name: "type", kind: textType, help: "work, home or other"},
				{name: "primary", kind: boolType, help: "The one to use first"},
			}},
			{name: "active", kind: boolType, help: "Whether the person may sign in; false ends their sessions and tokens at once"},
			{name: "groups", kind: complexType, many: true, readOnly: true, help: "The groups that the person is in", parts: []attribute{
				{name: "value", kind: textType, readOnly: true, exact: true, help: "The group's id"},
				{name: "$ref", kind: linkType, readOnly: true, exact: true, help: "The group's address"},
				{name: "display", kind: textType, readOnly: true, help: "The group's name"},
			}},
		}},
		extensions: []schema{{enterpriseSchema, "EnterpriseUser", "What an organisation knows of a person", []attribute{
			{name: "department", kind: textType, help: "The code or the name of the organisation unit that the person belongs to"},
		}}},
	}
}

// groups is the directory's groups.
func groups() *kind {
	return &kind{
		name: "Group", endpoint: "/Groups",
		schema: schema{groupSchema, "Group", "A group of people, which may stand for roles", []attribute{
			{name: "displayName", kind: textType, required: true, unique: true, help: "The group's name; administrators map it to roles"},
			{name: "members", kind: complexType, many: true, help: "The people in the group", parts: []attribute{
				{name: "value", kind: textType, exact: true, help: "The person's id"},
				{name: "$ref", kind: linkType, exact: true, readOnly: true, help: "The person's address"},
				{name: "type", kind: textType, help: "User"},
				{name: "display", kind: textType, readOnly: true, help: "The person's name"},
			}},
		}},
	}
}

// find looks an attribute up: by name alone it is the resource's own, or else an extension's. home is the extension's id, "" for the
// resource's own.
func (k *kind) find(schemaID, name string) (a attribute, home string, ok bool) {
	if schemaID == "" || strings.EqualFold(schemaID, k.schema.id) {
		if a, ok = named(k.schema.attributes, name); ok {
			return a, "", true
		}
		if a, ok = named(commonAttributes(), name); ok {
			return a, "", true
		}
	}
	for _, extension := range k.extensions {
		if schemaID == "" || strings.EqualFold(schemaID, extension.id) {
			if a, ok = named(extension.attributes, name); ok {
				return a, extension.id, true
			}
		}
	}
	return a, "", false
}

// extension finds an extension by its URN.
func (k *kind) extension(urn string) (schema, bool) {
	for _, extension := range k.extensions {
		if strings.EqualFold(extension.id, urn) {
			return extension, true
		}
	}
	return schema{}, false
}

// describe writes an attribute as RFC 7643, 7 has it.
func (a attribute) describe() object {
	pick := func(yes bool, then, otherwise string) string {
		if yes {
			return then
		}
		return otherwise
	}
	out := object{
		"name": a.name, "type": a.kind, "multiValued": a.many, "description": a.help, "required": a.required, "caseExact": a.exact,
		"mutability": pick(a.readOnly, "readOnly", "readWrite"), "returned": "default", "uniqueness": pick(a.unique, "server", "none"),
	}
	if a.kind == linkType {
		out["referenceTypes"] = []any{"User", "Group"}
	}
	var parts []any
	for _, part := range a.parts {
		parts = append(parts, part.describe())
	}
	if parts != nil {
		out["subAttributes"] = parts
	}
	return out
}

func (s schema) describe(base string) object {
	var attributes []any
	for _, a := range s.attributes {
		attributes = append(attributes, a.describe())
	}
	return object{
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, "id": s.id, "name": s.name, "description": s.help, "attributes": attributes,
		"meta": object{"resourceType": "Schema", "location": base + "/Schemas/" + s.id},
	}
}

func (k *kind) describe(base string) object {
	out := object{
		"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": k.name, "name": k.name, "endpoint": k.endpoint,
		"description": k.schema.help, "schema": k.schema.id,
		"meta": object{"resourceType": "ResourceType", "location": base + "/ResourceTypes/" + k.name},
	}
	var extensions []any
	for _, extension := range k.extensions {
		extensions = append(extensions, object{"schema": extension.id, "required": false})
	}
	if extensions != nil {
		out["schemaExtensions"] = extensions
	}
	return out
}

// providerConfig says what is understood here (RFC 7643, 5).
func providerConfig(base string) object {
	return object{
		"schemas":        []any{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          object{"supported": true},
		"bulk":           object{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         object{"supported": true, "maxResults": maxCount},
		"changePassword": object{"supported": false},
		"sort":           object{"supported": true},
		"etag":           object{"supported": true},
		"authenticationSchemes": []any{object{
			"type": "oauthbearertoken", "name": "API token", "primary": true, "specUri": "https://www.rfc-editor.org/info/rfc6750",
			"description": "Authorization: Bearer, with an API token that has the permission " + string(MayWrite),
		}},
		"meta": object{"resourceType": "ServiceProviderConfig", "location": base + "/ServiceProviderConfig"},
	}
}
