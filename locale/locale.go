// Package locale holds what the program says to people: one catalogue for each language, flat keys to messages. The
// messages are read by internal/platform/i18n, which also says how they are written.
package locale

import "embed"

// Files has en.json and ja.json.
//
//go:embed *.json
var Files embed.FS
