package demo

import (
	"context"
	"fmt"

	"yagura/internal/platform/auth"
)

// Staff gives the company's people accounts, in its departments and with the roles of those who look after security, so that the
// pages about people have something to show. None of them can sign in: they have been invited and that is all.
func Staff(ctx context.Context, accounts *auth.Accounts) error {
	units := make(map[string]string)
	for _, u := range []struct{ code, parent, name, english string }{
		{"marumado", "", "株式会社まるまど", "Marumado Co., Ltd."},
		{"sales", "marumado", "営業部", "Sales"},
		{"store", "marumado", "ネットショップ運営部", "Online store"},
		{"it", "marumado", "情報システム部", "IT"},
		{"csirt", "it", "まるまどCSIRT", "Marumado CSIRT"},
		{"isms", "marumado", "ISMS事務局", "ISMS office"},
		{"audit", "marumado", "内部監査室", "Internal audit"},
		{"logistics", "", "まるまど物流株式会社", "Marumado Logistics Co., Ltd."},
	} {
		unit, err := accounts.SaveUnit(ctx, auth.Unit{Code: u.code, Parent: units[u.parent], Name: u.name, NameEn: u.english})
		if err != nil {
			return fmt.Errorf("the demo's departments: %w", err)
		}
		units[u.code] = unit.ID
	}
	posts := []struct{ unit, role string }{
		{"sales", "employee"}, {"sales", "employee"}, {"store", "employee"}, {"store", "employee"},
		{"it", "admin"}, {"csirt", "analyst"}, {"csirt", "responder"}, {"csirt", "analyst"},
		{"store", "brand"}, {"isms", "isms"}, {"isms", "dpo"}, {"audit", "auditor"},
		{"sales", "employee"}, {"logistics", "employee"}, {"logistics", "employee"}, {"it", "employee"},
	}
	for i, p := range employees() {
		post := posts[i%len(posts)]
		_, err := accounts.Create(ctx, auth.NewPerson{
			Email: p.mail(), Name: p.name, Unit: units[post.unit], Roles: []string{post.role}, Lang: "ja", Zone: "Asia/Tokyo",
		})
		if err != nil {
			return fmt.Errorf("the demo's people: %w", err)
		}
	}
	return nil
}
