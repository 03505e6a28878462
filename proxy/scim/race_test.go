//go:build race

package scim

const raceEnabled = true
