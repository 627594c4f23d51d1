/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine says is looked at as a stranger's words: it parses what strangers send, and may
 * be theirs by now. */
#ifndef AGENTFW_ENGINE_WORDS_H
#define AGENTFW_ENGINE_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "fw/ipc/engine_msg.h"

#define ENGINE_WORDS_KINDS (EM_FAILED + 1)

/* How many of a kind there were in the second that runs; zero-initialised for each engine. */
struct engine_words {
	uint64_t second;
	uint32_t n[ENGINE_WORDS_KINDS];
};

/* NULL: an honest engine can have said that now; else what it did. fences: how many there are;
 * last_fence: the highest number that one has had. */
const char *engine_words_wrong(struct engine_words *w, const union em *m, uint64_t now_ms,
			       size_t fences, uint32_t last_fence);

#endif
