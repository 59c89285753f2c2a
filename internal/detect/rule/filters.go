package rule

import "yagura/sigma"

// Filters are the set's Sigma filters, which the matcher applies to the rules that they name. Only read them.
func (s *Set) Filters() []*sigma.Filter { return s.filters }
