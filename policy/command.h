/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a tool's `command`: see profile.h for the placeholders. */
#ifndef AGENTFW_POLICY_COMMAND_H
#define AGENTFW_POLICY_COMMAND_H

#include "policy/base/err.h"

/* Is the word well formed? -EINVAL with e, hint and all. */
int command_word_check(const char *word, struct err *e);

#endif
