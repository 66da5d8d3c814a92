package readmodel

// inboxDetail says in a sentence why a device waits and what to do. A warning comes
// before the reason: it is what must not be overlooked.
func inboxDetail(reason, warning string) string {
	if s := warningWords[warning]; s != "" {
		return s
	}
	if warning != "" {
		return "Something is held against this key (" + warning + "). Pair it to prove which device it is, or approve it and accept the warning by name."
	}
	return reasonWords[reason]
}

var warningWords = map[string]string{
	"name_reused_by_new_key": "A device you know has this name, with another key: this is its replacement, a reset device, or somebody who poses as it. " +
		"Compare the fingerprint; pair it to prove which device it is, or approve it and accept the warning name_reused_by_new_key.",
	"identity_changed": "A device you know came back with another key: it was reset, or somebody poses as it. " +
		"Compare the fingerprint; pair it to prove which device it is, or approve it and accept the warning identity_changed.",
}

var reasonWords = map[string]string{
	"new":                    "It was not seen before. Compare the fingerprint, then pair it or approve it.",
	"credential_mismatch":    "It was paired, but does not know its credential any more: it was reset, or forgot this server. Pair it again.",
	"identity_changed":       "A device you know came with another key. Compare the fingerprint, then pair it.",
	"name_reused_by_new_key": "It has the name of a device you know, with another key. Compare the fingerprint, then pair it.",
	"revoked":                "Its approval was taken back. Approve it anew, pair it, or deny it.",
	"approval_ended":         "Its approval has come to its end. Approve it anew, or pair it.",
	"denied":                 "It was denied before and knocks again. Approve it, pair it, or block it for good.",
	"pairing_required":       "It admits no session without pairing, so approving it cannot help. Pair it.",
}
