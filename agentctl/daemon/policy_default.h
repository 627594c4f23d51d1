/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which policy holds where none is named. */
#ifndef AGENTFW_CTL_POLICY_DEFAULT_H
#define AGENTFW_CTL_POLICY_DEFAULT_H

#include "policy/base/err.h"

/* ./agentfw.yaml, else /etc/agentfw/policy.yaml. -ENOENT: there is neither. -EPERM: for root,
 * others can write ./agentfw.yaml or its directory. Then the other file is not taken, either: it is
 * not the one that was meant. */
int policy_default(const char **ret, struct err *e);

#endif
