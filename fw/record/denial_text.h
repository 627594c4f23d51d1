/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A refusal in words: its code, what happened, and the line of a policy that would let it pass. */
#ifndef AGENTFW_DENIAL_TEXT_H
#define AGENTFW_DENIAL_TEXT_H

#include <stddef.h>

#include "fw/ipc/denial.h"
#include "policy/policy.h"

/* "no-rule", "deny-rule", …: event codes, stable. */
const char *denial_code_name(enum denial_code code);
/* What happened, in words for people, with names and addresses. p may be NULL. Returns buf. */
const char *denial_reason(const struct denial *d, const struct policy *p, char *buf, size_t bytes);
/* The line for the policy's egress list that would let it pass ("  - evil.example"), in buf; for
 * DENIED_INBOUND the whole key ("ingress: [...]"). It allows exactly what the denial's own fields
 * say (denial_suggest.c). NULL: no line does, or none may be written down. p may be NULL. */
const char *denial_suggest(const struct denial *d, const struct policy *p, char *buf, size_t bytes);

#endif
