package oidc

import (
	"encoding/json"
	"testing"
)

type said string

func (s said) Claims(into any) error { return json.Unmarshal([]byte(s), into) }

func TestWhoVouchesForAnAddress(t *testing.T) {
	t.Parallel()
	const entra, other = "https://login.microsoftonline.com/7c1f/v2.0", "https://login.example.co.jp/"
	for _, row := range []struct {
		issuer, claims string
		verified       bool
	}{
		{other, `{"email":"a@example.jp","email_verified":true}`, true},
		{other, `{"email":"a@example.jp","email_verified":"true"}`, true},
		{other, `{"email":"a@example.jp"}`, false},
		{other, `{"email":"a@example.jp","xms_edov":true}`, false}, // anybody's claim but Microsoft's
		{entra, `{"email":"a@example.jp","xms_edov":true}`, true},
		{entra, `{"email":"a@example.jp","xms_edov":"1"}`, true},
		{entra, `{"email":"a@example.jp","xms_edov":1}`, true},
		{entra, `{"email":"a@example.jp","xms_edov":"0"}`, false},
		{entra, `{"email":"a@example.jp","xms_edov":{}}`, false},
		{entra, `{"email":"a@example.jp"}`, false},
	} {
		var who Identity
		p := &Provider{opt: Options{Issuer: row.issuer}}
		if err := p.fill(&who, said(row.claims)); err != nil || who.EmailVerified != row.verified || who.Email != "a@example.jp" {
			t.Errorf("%s %s: %+v %v", row.issuer, row.claims, who, err)
		}
	}
}
