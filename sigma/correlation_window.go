package sigma

import (
	"math"
	"slices"
)

// weigh returns what the condition is asked of in a window, and whether it holds.
func (x *correlation) weigh(window []hit) (value float64, ok bool) {
	switch x.def.Type {
	case EventCount:
		value = float64(len(window))
		if !x.atOnce {
			value = 0
			for i := range window {
				value += float64(window[i].matches)
			}
		}
	case ValueCount:
		seen := make(map[string]struct{}, x.least)
		for i := range window {
			for _, key := range window[i].keys {
				seen[key] = struct{}{}
			}
		}
		value = float64(len(seen))
	case Temporal:
		return x.together(window)
	case TemporalOrdered:
		return x.inOrder(window)
	default:
		value = reckon(x.def, window)
	}
	return value, holds(x.def.Limits, value)
}

// reckon returns the sum, mean or percentile of the numbers in a window, which has at least one.
func reckon(k *Correlation, window []hit) float64 {
	var numbers []float64
	sum, n := 0.0, 0
	for i := range window {
		for _, v := range window[i].numbers {
			sum += v
			n++
		}
		if k.Type == ValuePercentile {
			numbers = append(numbers, window[i].numbers...)
		}
	}
	switch k.Type {
	case ValueAvg:
		return sum / float64(n)
	case ValuePercentile:
		slices.Sort(numbers)
		rank := int(math.Ceil(k.Percentile / 100 * float64(n)))
		return numbers[max(rank, 1)-1]
	}
	return sum
}

// together decides a temporal correlation.
func (x *correlation) together(window []hit) (float64, bool) {
	var there uint64
	for i := range window {
		there |= 1 << window[i].part
	}
	n := ones(there)
	switch {
	case x.def.expr != nil:
		return n, evaluate(x.def.expr, func(rule int, _ bool) bool { return there>>rule&1 == 1 })
	case len(x.def.Limits) > 0:
		return n, holds(x.def.Limits, n)
	}
	return n, int(n) == len(x.parts)
}

func ones(mask uint64) (n float64) {
	for ; mask != 0; mask &= mask - 1 {
		n++
	}
	return n
}

// inOrder decides an ordered correlation: which of the rules matched one after another, in the order in which the
// correlation names them. Matches of the same time are in any order.
func (x *correlation) inOrder(window []hit) (float64, bool) {
	if x.def.expr != nil {
		return x.chains(window)
	}
	var longest [maxCorrelated]int // chains that end with a rule
	best := 0
	for _, part := range steps(window) {
		before := 0
		for _, n := range longest[:part] {
			before = max(before, n)
		}
		longest[part] = max(longest[part], before+1)
		best = max(best, longest[part])
	}
	if len(x.def.Limits) > 0 {
		return float64(best), holds(x.def.Limits, float64(best))
	}
	return float64(best), best == len(x.parts)
}

// steps returns the rules that matched, by time, and those of the same time in their own order.
func steps(window []hit) []int {
	list := make([]int, len(window))
	for i := 0; i < len(window); {
		end := i
		for ; end < len(window) && window[end].at == window[i].at; end++ {
			list[end] = int(window[end].part)
		}
		slices.Sort(list[i:end])
		i = end
	}
	return list
}

// chains decides a condition in words over each set of rules that matched in order. What the condition negates must not have
// matched at all, in order or not.
func (x *correlation) chains(window []hit) (float64, bool) {
	var there uint64
	reached := make([]bool, 1<<len(x.parts))
	reached[0] = true
	grown, known := 1, make([]int, len(x.parts)) // how many sets are reached, and how many were when a rule was last tried
	for _, part := range steps(window) {
		there |= 1 << part
		if known[part] == grown {
			continue
		}
		for set := range 1 << part {
			if with := set | 1<<part; reached[set] && !reached[with] {
				reached[with] = true
				grown++
			}
		}
		known[part] = grown
	}
	best := -1.0
	for set := range reached {
		if !reached[set] || ones(uint64(set)) <= best {
			continue
		}
		if evaluate(x.def.expr, func(rule int, negated bool) bool {
			if negated {
				return there>>rule&1 == 1
			}
			return set>>rule&1 == 1
		}) {
			best = ones(uint64(set))
		}
	}
	return max(best, 0), best >= 0
}
