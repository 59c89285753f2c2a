package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Parse reads the file of the program's own roles:
//
//	roles:
//	  - name: auditor
//	    mfa: true
//	    allow: ["*.read"]
//
// Its errors name the role. The order of the file is the order of the columns in the matrix.
func Parse(text []byte) ([]Role, error) {
	var file struct {
		Roles []struct {
			Name  string   `yaml:"name"`
			MFA   *bool    `yaml:"mfa"`
			Allow []string `yaml:"allow"`
		} `yaml:"roles"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the file of roles: %w", err)
	}
	var roles []Role
	seen := make(map[string]bool)
	for _, r := range file.Roles {
		switch {
		case !roleName.MatchString(r.Name):
			return nil, fmt.Errorf("the file of roles: %q is no name of a role", r.Name)
		case seen[r.Name]:
			return nil, fmt.Errorf("the file of roles: %s is there twice", r.Name)
		case r.MFA == nil:
			return nil, fmt.Errorf("the file of roles: %s does not say whether it needs a second factor (mfa)", r.Name)
		}
		for _, p := range r.Allow {
			if !pattern.MatchString(p) {
				return nil, fmt.Errorf("the file of roles: %s: %q is no permission and no pattern of them", r.Name, p)
			}
		}
		seen[r.Name] = true
		roles = append(roles, Role{Name: r.Name, Allow: r.Allow, MFA: *r.MFA, BuiltIn: true})
	}
	if !seen[Admin] {
		return nil, fmt.Errorf("the file of roles: there is no role %s", Admin)
	}
	return roles, nil
}
