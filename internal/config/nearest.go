package config

import "strings"

// nearest is the candidate that looks most like word, or "" when none does: more
// than one in three letters would have to change.
func nearest(word string, candidates []string) string {
	best, at := "", 0
	for _, c := range candidates {
		d := distance(plain(word), plain(c))
		if d <= max(1, max(len(word), len(c))/3) && d < min(len(word), len(c)) && (best == "" || d < at) {
			best, at = c, d
		}
	}
	return best
}

// plain leaves out what people mix up freely.
func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance counts the letters to insert, remove, change or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
