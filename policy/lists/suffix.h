/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names below which anybody can get a name of their own: a wildcard there allows everybody. */
#ifndef AGENTFW_POLICY_SUFFIX_H
#define AGENTFW_POLICY_SUFFIX_H

#include <stdbool.h>

#include "policy/base/name.h"

/* A top-level domain, a country's second level, or a hosting provider's shared domain; a part of
 * the Public Suffix List. */
bool suffix_is_public(const struct name *n);

#endif
