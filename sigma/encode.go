package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf16"
)

// maxVariants bounds into how many texts windash and placeholders may multiply one value.
const maxVariants = 10_000

// expandDashes writes a windash pattern out as one pattern for each combination of dashes.
func expandDashes(p pattern) ([]pattern, error) {
	count := 1
	for range p.dashCount() {
		if count *= len([]rune(dashes)); count > maxVariants || count*len(p.plain()) > maxExpanded {
			return nil, errors.New("too many dashes: windash makes too many variants of this value")
		}
	}
	variants := []pattern{{}}
	for _, x := range p.parts {
		if x.kind != partDash {
			for i := range variants {
				variants[i].parts = append(variants[i].parts, x)
			}
			continue
		}
		next := make([]pattern, 0, len(variants)*5)
		for _, v := range variants {
			for _, d := range dashes {
				q := pattern{append([]part(nil), v.parts...)}
				q.addText(string(d))
				next = append(next, q)
			}
		}
		variants = next
	}
	for i := range variants {
		variants[i] = variants[i].joined()
	}
	return variants, nil
}

// joined returns the pattern with neighbouring texts made one.
func (p pattern) joined() pattern {
	var q pattern
	for _, x := range p.parts {
		if n := len(q.parts); x.kind == partText && n > 0 && q.parts[n-1].kind == partText {
			q.parts[n-1].text += x.text
			continue
		}
		q.parts = append(q.parts, x)
	}
	return q
}

// windash makes each dash of the text stand for any dash.
func (p pattern) windash() pattern {
	var q pattern
	for _, x := range p.parts {
		rest := x.text
		if x.kind != partText {
			q.parts = append(q.parts, x)
			continue
		}
		start := 0
		for i := 0; i < len(rest); {
			n := dashLen(rest[i:])
			if n == 0 {
				i += runeLen(rest, i)
				continue
			}
			q.addText(rest[start:i])
			q.parts = append(q.parts, part{kind: partDash})
			i += n
			start = i
		}
		q.addText(rest[start:])
	}
	return q
}

// hasDash reports whether windash left its mark.
func (p pattern) hasDash() bool { return p.dashCount() > 0 }

func (p pattern) dashCount() (n int) {
	for _, x := range p.parts {
		if x.kind == partDash {
			n++
		}
	}
	return n
}

// encode applies an encoding modifier.
func (p pattern) encode(m modifier) ([]pattern, error) {
	switch m {
	case modUTF16LE, modWide:
		return []pattern{p.mapText(func(s string) string { return utf16Text(s, false) })}, nil
	case modUTF16BE:
		return []pattern{p.mapText(func(s string) string { return utf16Text(s, true) })}, nil
	case modUTF16:
		q := pattern{[]part{{kind: partText, text: "\xff\xfe"}}}
		q.parts = append(q.parts, p.mapText(func(s string) string { return utf16Text(s, false) }).parts...)
		return []pattern{q.joined()}, nil
	}
	if p.hasWildcard() {
		return nil, fmt.Errorf("modifier %s cannot encode wildcards; escape them with a backslash where they are plain characters", m)
	}
	text := p.plain()
	if text == "" {
		return nil, fmt.Errorf("modifier %s has nothing to encode", m)
	}
	if m == modBase64 {
		return []pattern{literal(base64.StdEncoding.EncodeToString([]byte(text)))}, nil
	}
	var shifted []pattern
	for offset := range 3 {
		s, err := base64At(text, offset)
		if err != nil {
			return nil, err
		}
		shifted = append(shifted, literal(s))
	}
	return shifted, nil
}

// utf16Text encodes s as UTF-16, two bytes a unit.
func utf16Text(s string, bigEndian bool) string {
	units := utf16.Encode([]rune(s))
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		if bigEndian {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

// base64At returns those characters of the Base64 encoding of s, beginning offset bytes after a three-byte
// boundary, that do not depend on the bytes before and behind.
func base64At(s string, offset int) (string, error) {
	padded := make([]byte, offset, offset+len(s))
	encoded := base64.StdEncoding.EncodeToString(append(padded, s...))
	// The first 6-bit groups hold bits of the padding, the last one bits of what follows.
	start := [3]int{0, 2, 3}[offset]
	end := len(encoded) - [3]int{0, 3, 2}[(offset+len(s))%3]
	if start >= end {
		return "", fmt.Errorf("%q is too short for base64offset: nothing of it has a fixed encoding", s)
	}
	return encoded[start:end], nil
}
