package auth

import (
	"fmt"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

func TestADirectoryChangesPeopleAllAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("admin@example.jp", "admin")
		rin := h.person("rin@example.jp", "employee")
		if _, err := h.Create(t.Context(), NewPerson{Kind: Service, Email: "robot@example.jp", Name: "robot"}); err != nil {
			t.Fatal(err)
		}
		in := func(work func(d Directory) error) error {
			return h.db.Write(t.Context(), func(tx *db.Tx) error { return work(h.Directory(tx)) })
		}
		err := in(func(d Directory) error {
			name := "田中 凛"
			if _, err := d.Update(rin.ID, Change{Name: &name}); err != nil {
				return err
			}
			_, err := d.SyncRoles(rin.ID, []string{"analyst", "emperor"})
			return err
		})
		if p, _ := h.Person(t.Context(), rin.ID); err != nil || fmt.Sprintf("%s %v", p.Name, p.Roles) != "田中 凛 [{analyst scim} {employee local}]" {
			t.Errorf("%v %+v", err, p)
		}
		err = in(func(d Directory) error {
			if _, err := d.Disable(rin.ID); err != nil {
				return err
			}
			_, err := d.Create(NewPerson{Email: "admin@example.jp", Name: "x"})
			return err
		})
		want(t, "an address that is taken", err, fault.Conflict)
		if p, _ := h.Person(t.Context(), rin.ID); p.State != Active {
			t.Error("half of what failed was kept")
		}
		err = in(func(d Directory) error {
			people, err := d.People("", 10)
			if len(people) != 2 {
				t.Errorf("a directory sees %d people", len(people))
			}
			_, missing := d.ByEmail("robot@example.jp")
			want(t, "a service account", missing, fault.NotFound)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestOthersForgetAPersonWhoIsErased(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		forgot := ""
		h.Forget = append(h.Forget, func(_ *db.Tx, person string) error { forgot = person; return nil })
		p, err := h.Create(t.Context(), NewPerson{Email: "rin@example.jp", Name: "Rin"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Erase(t.Context(), p.ID, 0); err != nil || forgot != p.ID {
			t.Errorf("%v, forgot %q", err, forgot)
		}
	})
}
