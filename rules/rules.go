// Package rules holds the Sigma rules that come with the program, one folder for each product, each with its tests.
package rules

import "embed"

// Files has the rules, as <product>/<name>.yml.
//
//go:embed */*.yml
var Files embed.FS
