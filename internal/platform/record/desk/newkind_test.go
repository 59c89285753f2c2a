package desk_test

import (
	"html/template"
	"net/http"
	"testing/fstest"
	"time"

	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web"
)

// supplier is a whole kind of record as a room would write it: what a supplier is, its table, its words, a template and its module. All that
// TestANewKindOfRecord does with suppliers comes of what stands in this file.
func supplier() *record.Kind {
	return &record.Kind{
		Name: "supplier", Path: "/suppliers", House: "govern", Order: 50, Table: "supplier_supplier", Key: "code", Live: true,
		Fields: []record.Field{
			{Name: "code", Type: record.Text{}, Required: true, Max: 20, Search: true, Sort: true, Fixed: true},
			{Name: "tier", Type: record.Choice{"critical", "usual"}},
			{Name: "risk", Type: record.Level{}},
			{Name: "fee", Type: record.Int{}, Sort: true},
			{Name: "ends", Type: record.Day{}},
			{Name: "contact", Type: record.Email{}},
			{Name: "result", Type: record.Choice{"fit", "unfit"}, Moved: true},
			{Name: "findings", Type: record.Long{}, Search: true},
		},
		States: []record.State{{Name: "proposed", Look: "new"}, {Name: "assessed", Look: "active"}, {Name: "in_use", Look: "good"}, {Name: "ended", Done: true}},
		Moves: []record.Move{
			{Name: "assess", From: []string{"proposed"}, To: "assessed", Needs: []string{"owner", "result"}, Main: true},
			{Name: "accept", From: []string{"assessed"}, To: "in_use", Approved: true, Main: true},
			{Name: "end", To: "ended", Why: true},
		},
		Views:   []record.View{{Name: "open", Query: "state=open"}, {Name: "mine", Query: "state=open&owner=me"}, {Name: "all"}},
		Columns: []string{"code", "state", "tier", "owner", "due"},
	}
}

// supplierTable is the room's migration.
const supplierTable = `
CREATE TABLE supplier_supplier (` + recordtest.Columns + `,
    code TEXT NOT NULL, tier TEXT NOT NULL, risk BIGINT NOT NULL, fee BIGINT NOT NULL, ends TEXT NOT NULL, contact TEXT NOT NULL, result TEXT NOT NULL,
    findings TEXT NOT NULL);
CREATE INDEX supplier_updated ON supplier_supplier (updated_at, id, deleted_at);
CREATE INDEX supplier_created ON supplier_supplier (created_at, id, deleted_at);
CREATE INDEX supplier_state ON supplier_supplier (state, updated_at, id, deleted_at);
CREATE INDEX supplier_owner ON supplier_supplier (owner, updated_at, id, deleted_at);
CREATE INDEX supplier_due ON supplier_supplier (due, id, deleted_at);
CREATE INDEX supplier_title ON supplier_supplier (title, id, deleted_at);
CREATE INDEX supplier_code ON supplier_supplier (code, id, deleted_at);
CREATE INDEX supplier_fee ON supplier_supplier (fee, id, deleted_at)`

// supplierWords are its messages.
func supplierWords() map[string]string {
	return map[string]string{
		"kind.supplier": "委託先", "kind.supplier.one": "委託先", "kind.supplier.about": "情報を預ける相手を評価し、記録します。",
		"kind.supplier.empty":      "まだ委託先がありません。登録するか、一覧を取り込んでください。",
		"kind.supplier.field.code": "番号", "kind.supplier.field.tier": "区分", "kind.supplier.tier.critical": "重要", "kind.supplier.tier.usual": "一般",
		"kind.supplier.field.risk": "リスク", "kind.supplier.field.fee": "年額", "kind.supplier.field.ends": "契約終了日", "kind.supplier.field.contact": "窓口",
		"kind.supplier.field.result": "評価結果", "kind.supplier.result.fit": "適", "kind.supplier.result.unfit": "不適", "kind.supplier.field.findings": "所見",
		"kind.supplier.state.proposed": "候補", "kind.supplier.state.assessed": "評価済み", "kind.supplier.state.in_use": "利用中", "kind.supplier.state.ended": "終了",
		"kind.supplier.move.assess": "評価する", "kind.supplier.move.accept": "承認済みとして利用する", "kind.supplier.move.end": "終了する",
		"kind.supplier.view.open": "対応中", "kind.supplier.view.mine": "自分の担当", "kind.supplier.view.all": "すべて",
		"permission.supplier": "委託先", "permission.supplier.read": "委託先を見る", "permission.supplier.write": "委託先を変更する", "permission.supplier.delete": "委託先を削除する",
		"supplier.left": "契約終了まで%d日",
	}
}

// supplierCard is its template: what only this room has to say on a record's page.
const supplierCard = `{{define "title"}}{{.Title}}{{end}}{{define "content"}}<p class="card">{{t "supplier.left" .Days}}</p>{{end}}`

// supplierRoom is its module.
func supplierRoom(site *web.Site, d *desk.Desk, k *record.Kind) web.Module {
	return d.Module(desk.Room{
		Kind: k, Templates: fstest.MapFS{"templates/card.html": {Data: []byte(supplierCard)}},
		Overview: func(r *http.Request, rec *record.Record) (template.HTML, error) {
			ends, err := time.Parse(time.DateOnly, rec.Str("ends"))
			if err != nil {
				return "", nil // no day was agreed
			}
			return site.Part(r, "supplier/card", "content", struct {
				Title string
				Days  int
			}{rec.Title, int(time.Until(ends).Hours() / 24)})
		},
	})
}
