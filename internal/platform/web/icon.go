package web

import (
	"fmt"
	"html/template"
)

// icons are drawn on a grid of 16 with a line of 1.5, and take the colour of the text around them.
var icons = map[string]string{
	"search":   `<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>`,
	"bell":     `<path d="M8 2a4 4 0 0 0-4 4c0 3.5-1.5 4.5-1.5 5.5h11C13.5 10.5 12 9.5 12 6a4 4 0 0 0-4-4ZM6.5 13.8a1.6 1.6 0 0 0 3 0"/>`,
	"clock":    `<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>`,
	"chevron":  `<path d="m4 6 4 4 4-4"/>`,
	"right":    `<path d="m6 4 4 4-4 4"/>`,
	"up":       `<path d="M8 13V3m-4 4 4-4 4 4"/>`,
	"left":     `<path d="m10 4-4 4 4 4"/>`,
	"close":    `<path d="m4 4 8 8m0-8-8 8"/>`,
	"menu":     `<path d="M2 4h12M2 8h12M2 12h12"/>`,
	"more":     `<path d="M3.5 8h.01M8 8h.01M12.5 8h.01"/>`,
	"plus":     `<path d="M8 3v10M3 8h10"/>`,
	"check":    `<path d="m3 8.5 3.5 3.5L13 4.5"/>`,
	"copy":     `<rect x="5.5" y="5.5" width="8" height="8" rx="1"/><path d="M10.5 5.5v-3h-8v8h3"/>`,
	"filter":   `<path d="M2 3h12L9.5 8.5V13l-3-1.5v-3Z"/>`,
	"download": `<path d="M8 2v8m-3-3 3 3 3-3M3 13.5h10"/>`,
	"open":     `<path d="M6 3H3v10h10v-3M9 3h4v4m0-4L7.5 8.5"/>`,
	"key":      `<circle cx="5" cy="8" r="3"/><path d="M8 8h6v2.5M11.5 8v2"/>`,
	"user":     `<circle cx="8" cy="5.5" r="2.5"/><path d="M3 13.5c.6-2.6 2.6-4 5-4s4.4 1.4 5 4"/>`,
	"globe":    `<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c2 2 2.6 4 2.6 6S10 12 8 14C6 12 5.4 10 5.4 8S6 4 8 2"/>`,
	"home":     `<path d="M2.5 7.5 8 3l5.5 4.5V13h-4V9.5h-3V13h-4Z"/>`,
	"help":     `<circle cx="8" cy="8" r="6"/><path d="M6.3 6.2c.2-1 .9-1.5 1.8-1.5 1 0 1.7.6 1.7 1.5 0 1.3-1.7 1.3-1.7 2.6M8.1 11.2h.01"/>`,
	"list":     `<path d="M2.5 4h.01M2.5 8h.01M2.5 12h.01M5.5 4H14M5.5 8H14M5.5 12H14"/>`,
	"fold":     `<rect x="2" y="3" width="12" height="10" rx="1"/><path d="M6 3v10M10.5 6.5 9 8l1.5 1.5"/>`,
	"print":    `<path d="M4.5 6V2.5h7V6M4.5 11H2.5V6h11v5h-2"/><path d="M4.5 9h7v4.5h-7Z"/>`,
	"gear":     `<circle cx="8" cy="8" r="2"/><path d="M8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M3.4 12.6l1.4-1.4M11.2 4.8l1.4-1.4"/>`,
	"warn":     `<path d="M8 2 14.5 13.5h-13Z"/><path d="M8 6.5v3M8 11.5h.01"/>`,
	"play":     `<path d="M5 3v10l8-5Z"/>`,
	"pause":    `<path d="M5.5 3v10M10.5 3v10"/>`,
	"detect":   `<circle cx="8" cy="8" r="6"/><circle cx="8" cy="8" r="2.5"/><path d="M8 8l4-4"/>`,
	"respond":  `<path d="M9 1.5 3.5 9H8l-1 5.5L12.5 7H8Z"/>`,
	"brand":    `<path d="M2 8V2.5h5.5L14 9l-5.5 5.5Z"/><path d="M5 5.5h.01"/>`,
	"protect":  `<path d="M8 1.5 13.5 3.5V8c0 3.5-2.3 5.5-5.5 6.5C4.8 13.5 2.5 11.5 2.5 8V3.5Z"/>`,
	"govern":   `<path d="M2 13.5h12M3.5 13V7M6.5 13V7M9.5 13V7M12.5 13V7M1.5 6.5 8 2l6.5 4.5Z"/>`,
	"settings": `<path d="M2 4.5h6M12 4.5h2M2 11.5h2M8 11.5h6"/><circle cx="10" cy="4.5" r="1.8"/><circle cx="6" cy="11.5" r="1.8"/>`,
}

// drawIcon draws an icon; it is ornament, the words beside it say what it means.
func (c components) drawIcon(name string) (template.HTML, error) {
	drawing, ok := c.icon[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">` + drawing + `</svg>`), nil
}
